/** The D-Bus contract between update client and Connect daemon (`connect-protocol.md` §6): names as they are spelt. */
export const authentication = {
  name: 'io.mender.AuthenticationManager',
  path: '/io/mender/AuthenticationManager',
  interface: 'io.mender.Authentication1',
  /** Out: token, server_url; both empty while there is no authorization. */
  getJwtToken: { name: 'GetJwtToken', in: '', out: 'ss' },
  /** Out: true when a fetch was started or already runs. */
  fetchJwtToken: { name: 'FetchJwtToken', in: '', out: 'b' },
  /** token, server_url; both empty when the fetch failed. */
  tokenStateChange: { name: 'JwtTokenStateChange', signature: 'ss' },
} as const;

/** Introspection data: a proxy built from it needs no Introspect call, which mender-auth ≥ 4 does not answer (§6.1). */
export const authenticationXml = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
  <interface name="${authentication.interface}">
    <method name="GetJwtToken">
      <arg type="s" name="token" direction="out"/>
      <arg type="s" name="server_url" direction="out"/>
    </method>
    <method name="FetchJwtToken">
      <arg type="b" name="success" direction="out"/>
    </method>
    <signal name="JwtTokenStateChange">
      <arg type="s" name="token"/>
      <arg type="s" name="server_url"/>
    </signal>
  </interface>
</node>
`;
