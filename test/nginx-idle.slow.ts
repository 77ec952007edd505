// Sockets that nobody uses, through a proxy that cuts what is silent for a minute (ask 4, 5, 6, 8).
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { trustOf } from '../server/http/proxies.ts';
import { stage } from '../server/stage.ts';
import { describePeers } from './peers.ts';
import { makeCertificate } from './stage/certificate.ts';
import { freePort, startNginx } from './stage/nginx.ts';

await describePeers('an idle socket behind nginx', ['nginx'], (root) => {
  it('is there after more than a minute: the server keeps it alive, and the proxy cuts one that it does not', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-nginx-idle-'));
    const server = await stage({ trust: trustOf('loopback') });
    const certificate = await makeCertificate(folder, 'proxy');
    const port = await freePort();
    // The same proxy with less patience than our pings have: what the test can see, and that it would see it.
    const extra = 'location /hasty/ { proxy_pass http://patchbay/; proxy_read_timeout 10s; }';
    const upstream = server.server.port;
    await using _ = await startNginx(root ?? '', join(folder, 'nginx'), { port, upstream, certificate, extra });
    const open = async (prefix: string): Promise<WebSocket> => {
      const { token } = await server.addDevice();
      const socket = new WebSocket(`wss://127.0.0.1:${port}${prefix}/api/devices/v1/deviceconnect/connect`, {
        ca: certificate.ca,
        headers: { authorization: `Bearer ${token}` },
      });
      await once(socket, 'open');
      return socket;
    };
    const socket = await open('');
    const hasty = await open('/hasty');
    const cut = once(hasty, 'close', { signal: AbortSignal.timeout(60_000) });
    await pause(66_000);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    await cut;
    socket.terminate();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
});
