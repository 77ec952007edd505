/**
 * Our own D-Bus interface, through which a program on the device follows an update and says when one suits. Written once:
 * the service, its introspection data in `packaging/dbus/` and the page about it are checked against this.
 */
export const update1 = {
  name: 'io.patchbay.Client',
  path: '/io/patchbay/Client',
  interface: 'io.patchbay.Update1',
  properties: {
    /** A word of `updateStates`. */
    State: 's',
    /** Of the deployment under way; empty while idle. */
    DeploymentId: 's',
    /** Of the artifact that is being installed; empty until its header has been read. */
    ArtifactName: 's',
    /** What the device runs; `unknown` if nobody ever told it. */
    InstalledArtifact: 's',
    /** Of the download, percent. */
    Progress: 'u',
    /** Unix time, seconds; 0: nobody asks to wait. */
    DeferredUntil: 'u',
    /** For how many seconds more the update under way, or else the next, may be held. */
    DeferrableSeconds: 'u',
    /** Deployment, artifact, `success` or `failure`, Unix time, why it failed; all empty before the first. */
    LastResult: '(sssus)',
    /** What is wrong with the configuration file, while the client goes on with the last good one; else empty. */
    ConfigurationError: 's',
  },
  methods: {
    /** Seconds, counted from now; 0 is refused. Answers the Unix time until when the update is held: the limit may cut it short. */
    Defer: { in: [['seconds', 'u']], out: [['until', 'u']] },
    /** Ends a deferral: the update goes on at once. */
    Proceed: { in: [], out: [] },
    /** Asks the server for a deployment as soon as the client is idle. */
    CheckForUpdate: { in: [], out: [] },
    /** Sends the inventory as soon as the client is idle. */
    SendInventory: { in: [], out: [] },
  },
  signals: {
    /** Beside PropertiesChanged: easier to wait for from a shell. */
    StateChanged: [
      ['state', 's'],
      ['deployment_id', 's'],
    ],
  },
  /** The name of each error that a method may answer with is this and the error's code. */
  errors: 'io.patchbay.Error.',
} as const;

export const updateStates = [
  'idle',
  'downloading',
  'waiting-to-install',
  'installing',
  'waiting-to-reboot',
  'rebooting',
  'verifying',
  'committing',
  'rolling-back',
  'failing',
  'finishing',
] as const;
export type UpdateState = (typeof updateStates)[number];

/** The interface as `packaging/dbus/io.patchbay.Update1.xml` has it, for tools that read such files. */
export function update1Xml(): string {
  const args = (list: readonly (readonly string[])[], direction?: 'in' | 'out') =>
    list.map(
      ([name, type]) =>
        `      <arg name="${name}" type="${type}"${direction === undefined ? '' : ` direction="${direction}"`}/>\n`,
    );
  const element = (kind: string, name: string, inner: readonly string[]) =>
    inner.length > 0
      ? `    <${kind} name="${name}">\n${inner.join('')}    </${kind}>\n`
      : `    <${kind} name="${name}"/>\n`;
  const { properties, methods, signals } = update1;
  return `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node name="${update1.path}">
  <interface name="${update1.interface}">
${Object.entries(methods)
  .map(([name, method]) => element('method', name, [...args(method.in, 'in'), ...args(method.out, 'out')]))
  .join('')}${Object.entries(signals)
    .map(([name, list]) => element('signal', name, args(list)))
    .join('')}${Object.entries(properties)
    .map(([name, type]) => `    <property name="${name}" type="${type}" access="read"/>\n`)
    .join('')}  </interface>
</node>
`;
}
