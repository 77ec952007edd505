import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { inTime } from './deadline.ts';

/** What a client gets that sends this head and never the whole body; 'open' if nothing ends it in half a second. */
async function halfRequest(head: string): Promise<string> {
  const read = inTime(
    (req, res) =>
      void text(req)
        .then((body) => res.end(body))
        .catch(() => {}),
    50,
  );
  await using server = createServer(read);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`${head}\r\nHost: x\r\n`);
  socket.write(head.includes('GET') ? '\r\n' : 'Content-Length: 1000\r\n\r\n{');
  const open = new Promise<'open'>((resolve) => setTimeout(() => resolve('open'), 500).unref());
  const answer = await Promise.race([text(socket), open]);
  socket.destroy();
  server.closeAllConnections();
  return answer;
}

test('a body that drips in is refused with 408, and its socket closed', async () => {
  const answer = await halfRequest('POST /api/devices/v1/authentication/auth_requests HTTP/1.1');
  expect(answer).toMatch(
    /^HTTP\/1\.1 408 [^]*X-MEN-RequestID: [^]*\{"error":"the body of the request did not come in time"/,
  );
});

test('an upload may take its time', async () => {
  const head =
    'POST /api/management/v1/deployments/artifacts HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x';
  expect(await halfRequest(head)).toBe('open');
});

test('to say multipart elsewhere does not help', async () => {
  const head = 'POST /api/devices/v1/authentication/auth_requests HTTP/1.1\r\nContent-Type: multipart/form-data';
  expect(await halfRequest(head)).toMatch(/^HTTP\/1\.1 408 /);
});
