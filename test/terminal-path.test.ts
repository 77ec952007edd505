import { afterEach, expect, it } from 'vitest';
import { Reader, startDevice, startRelay } from './stage/relay-path.ts';

const open: AsyncDisposable[] = [];
const using = <T extends AsyncDisposable>(thing: T): T => (open.push(thing), thing);
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

async function path(id = 'one') {
  const server = using(await startRelay());
  const device = using(await startDevice(id, server.url));
  await server.until('the device is connected', () => server.relay.isConnected(id));
  return { server, device };
}

it('D-32 a key typed comes back from a real shell', async () => {
  const { server } = await path();
  const shell = await new Reader(await server.open('one')).start({ terminal_width: 91, terminal_height: 37 });
  shell.type('stty size; echo $((6*7))\r');
  await shell.shows('37 91');
  await shell.shows('42');
  shell.session.close();
});
