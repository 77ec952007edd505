import { Type, type Static } from 'typebox';
import { CodedError } from '#base/errors';
import { defineServer } from '#addon/server';
import manifest from './manifest.ts';
import { labelOf, Passes, type Pass } from './passes.ts';
import { enterPath, site } from './site.ts';
import { Tunnel } from './tunnel.ts';

const Page = Type.Object({
  port: Type.Integer({ minimum: 1, maximum: 0xffff }),
  /** The page speaks TLS; default: for ports that are known to. */
  tls: Type.Optional(Type.Boolean()),
  path: Type.Optional(Type.String({ pattern: '^/', maxLength: 2048 })),
});

const access = 'sessions:forward';
const secured = new Set([443, 8443]);

/** Web pages of devices, each under an origin of its own. */
export default defineServer(manifest, (host) => {
  const passes = new Passes();
  const tunnels = new WeakMap<Pass, Tunnel>();

  function tunnelOf(pass: Pass): Tunnel {
    let tunnel = tunnels.get(pass);
    if (!tunnel) {
      const made = (tunnel = new Tunnel(() => host.openSession(pass.deviceId, { ...pass, access, count: undefined })));
      tunnels.set(pass, made);
      pass.signal.addEventListener('abort', () => made.close());
    }
    return tunnel;
  }

  return {
    routes: [
      {
        method: 'POST',
        path: '/api/management/v1/patchbay/devices/{id}/pages',
        access,
        confined: 'device',
        summary: 'Open a web page of a device: a link that is good once, for a minute',
        audit: 'page_open',
        body: Page,
        responses: { 201: { description: 'the link', body: Type.Object({ url: Type.String() }) } },
        async handler(request) {
          const { port, tls = secured.has(port), path = '/' } = request.body as Static<typeof Page>;
          const target = { deviceId: request.params['id'] ?? '', port, tls };
          request.note({ object: { type: 'device', id: target.deviceId }, details: { port, tls, path } });
          if (!(await host.hasDevice(target.deviceId))) throw new CodedError('not_found', 'device not found');
          const label = labelOf(target);
          const origin = host.siteOrigin(label, request.req);
          if (origin === undefined)
            throw new CodedError(
              'conflict',
              'this server has no domain for pages of devices: start it with --pages-domain DOMAIN, all names below which lead to it',
            );
          const url = new URL(enterPath, origin);
          url.searchParams.set('ticket', passes.ticket(target, request));
          if (path !== '/') url.searchParams.set('to', path);
          return { status: 201, body: { url: url.href }, headers: { 'Cache-Control': 'no-store' } };
        },
      },
    ],
    sites: site(passes, tunnelOf),
    revoked: (userId, tokenId) => passes.revoke(userId, tokenId),
  };
});
