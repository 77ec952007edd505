// Holds WebSockets open: one a token, from an address of its own; prints "ready" when all are there. Answers pings and says
// nothing else. Bare sockets, so that this end is not what is measured.
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';

const [target = '', file = '', localAddress = '127.0.0.1', from = '0', to = '0'] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(target);
const tokens = (JSON.parse(await readFile(file, 'utf8')) as string[]).slice(Number(from), Number(to));
const atOnce = 32;

function open(token: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(port), host: hostname, localAddress });
    let head = '';
    socket.once('error', reject).once('close', () => reject(new Error(`closed: ${head}`)));
    socket.on('data', (chunk: Buffer) => {
      if (head.endsWith('\r\n\r\n')) return pong(socket, chunk);
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      if (!head.startsWith('HTTP/1.1 101')) return reject(new Error(head));
      resolve(socket);
    });
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
  });
}

/** A ping of the server, short and in one piece, comes back masked with zeros. */
function pong(socket: Socket, frame: Buffer): void {
  if (frame[0] !== 0x89) return;
  const payload = frame.subarray(2, 2 + (frame[1] ?? 0));
  socket.write(Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
}

const held: Socket[] = [];
let next = 0;
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    while (next < tokens.length) held.push(await open(tokens[next++] ?? ''));
  }),
);
for (const socket of held)
  socket.once('close', () => {
    console.error('a socket was closed');
    process.exit(1);
  });
console.log('ready');
process.once('SIGTERM', () => process.exit(0));
