import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { drain } from './drain.ts';

let server: Server;
let socket: Socket;
afterEach(() => {
  socket.destroy();
  server.closeAllConnections();
  server.close();
});

/** A request that is under way, over a connection that is to be kept alive. */
async function ask(): Promise<ServerResponse> {
  const asked = Promise.withResolvers<ServerResponse>();
  server = createServer({ keepAliveTimeout: 600_000 }, (_, response) => asked.resolve(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n');
  return await asked.promise;
}

it('an answer that is under way is given, and its connection is not waited for', async () => {
  const response = await ask();
  // Its head has said already that the connection is to be kept.
  response.write('begun, ');
  await once(socket, 'data');
  // So long that the test would be over.
  const drained = drain(server, 600_000);
  setImmediate(() => response.end('ended'));
  const [rest] = (await once(socket, 'data')) as [Buffer];
  expect(rest.toString()).toContain('ended');
  await drained;
});

it('an answer that never ends is cut when the time is over', async () => {
  await ask();
  const cut = once(socket, 'close');
  await drain(server, 50);
  await cut;
});
