// Polls a server over 64 connections for 3 seconds, each time as another device; prints the answers a second.
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';

const [target = '', file = ''] = process.argv.slice(2);
const { hostname, port, pathname, search } = new URL(target);
const tokens = JSON.parse(await readFile(file, 'utf8')) as string[];
const requests = tokens.map((token) =>
  Buffer.from(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${token}\r\n\r\n`),
);
const connections = 64;
const milliseconds = 3000;

let next = 0;
let answered = 0;
const sockets: Socket[] = [];
const ask = (socket: Socket): void => {
  const request = requests[next++ % requests.length];
  if (request) socket.write(request);
};

const begun = performance.now();
for (let at = 0; at < connections; at++) {
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  let rest = '';
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    // An answer of 204 is its head only.
    if (!rest.endsWith('\r\n\r\n')) return;
    if (!rest.startsWith('HTTP/1.1 204')) throw new Error(rest);
    rest = '';
    answered++;
    ask(socket);
  });
  socket.once('connect', () => ask(socket));
  sockets.push(socket);
}
setTimeout(() => {
  const seconds = (performance.now() - begun) / 1000;
  for (const socket of sockets) socket.destroy();
  console.log(String(answered / seconds));
}, milliseconds);
