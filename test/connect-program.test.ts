import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { PrivateBus, TokenService } from '../connect/bus.testing.ts';
import { Program } from './stage/program.ts';
import { RawServer } from './stage/peer.ts';
import { launcher } from './stage/server.ts';

// `patchbay connect daemon` as it is run on a device.

let open = new AsyncDisposableStack();
afterEach(async () => {
  await open.disposeAsync();
  open = new AsyncDisposableStack();
});

function start(config: unknown, ...more: string[]): Program {
  const folder = mkdtempSync(join(tmpdir(), 'patchbay-connect-'));
  open.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'connect.conf');
  writeFileSync(file, JSON.stringify(config));
  const args = [launcher, 'connect', '-c', file, '-b', join(folder, 'none'), ...more, 'daemon'];
  return open.use(new Program('patchbay connect', process.execPath, args));
}

const good = { User: userInfo().username, ShellCommand: '/bin/bash', ShellArguments: ['--norc'] };

it('connects, and at SIGTERM ends within moments, shells and all, with code 0', async () => {
  const bus = open.use(await PrivateBus.start());
  const server = open.use(await RawServer.start());
  open.use(await TokenService.start(bus.address, 'token', server.url));
  const program = start(good, '--bus', bus.address);
  const far = await server.peer();
  far.send({ proto: 1, typ: 'new', sid: 's' });
  await far.next({ typ: 'new' });
  const begun = performance.now();
  expect(await program.stop()).toBe(0);
  expect(performance.now() - begun).toBeLessThan(3000);
  expect((await far.end()).code).toBe(1000);
});

it('waits for a D-Bus that is not there yet', async () => {
  const bus = open.use(await PrivateBus.start());
  await bus.down();
  const server = open.use(await RawServer.start());
  const program = start(good, '--bus', bus.address);
  await program.said(/D-Bus not reached/);
  await bus.up();
  open.use(await TokenService.start(bus.address, 'token', server.url));
  await server.peer();
});

it.each([
  ['without a user', { ...good, User: '' }, /please provide a user to run the shell as/],
  ['with a user that is not there', { ...good, User: 'no-such-user' }, /unknown user no-such-user/],
  [
    'with a shell that is none',
    { ...good, ShellCommand: '/bin/ls' },
    /ShellCommand \/bin\/ls is not present in \/etc\/shells/,
  ],
])('%s it does not start, says so in a line, and ends with 1', async (_, config, line) => {
  const program = start(config);
  const [code] = (await once(program.child, 'close')) as [number];
  expect(code).toBe(1);
  expect(program.lines.join('\n')).toMatch(line);
  expect(program.lines).toHaveLength(1);
});
