import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CodedError } from '#base/errors';
import { Inbox } from '#base/inbox';
import { silentLog } from '#base/log';
import { birthOf } from './client.ts';
import device from './device.ts';
import type { Message } from './protocol.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-client-control-'));
});
afterEach(() => rm(folder, { recursive: true }));

function half(programs: string[] = []) {
  const places = { Disable: false, PidFile: join(folder, 'pid'), Programs: programs };
  return device({ ask: () => Promise.reject(new Error()), log: silentLog }, { MenderClient: places });
}

async function ask(word: Message['typ'], programs: string[] = []) {
  const inbox = new Inbox<Message>({ high: 1e6, low: 1, congested: () => undefined });
  inbox.push({ typ: word, props: {}, body: new Uint8Array() }, 1);
  inbox.finish();
  const said: Message[] = [];
  await half(programs).serve!({
    sid: '',
    userId: 'ann',
    signal: new AbortController().signal,
    send: (message) => said.push(message) > 0,
    drained: () => Promise.resolve(),
    onLink: () => () => undefined,
    [Symbol.asyncIterator]: () => inbox[Symbol.asyncIterator](),
  });
  return said.map(({ typ, props, body }) => ({ typ, status: props.status, text: Buffer.from(body).toString() }));
}

async function program(body: string): Promise<string> {
  const path = join(folder, 'mender-update');
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

it("G-62 TRB-5 runs the first of Mender's programs that is there, with the word", async () => {
  const path = await program(`echo "$@" > ${join(folder, 'called')}`);
  expect(await ask('check-update', [join(folder, 'absent'), path])).toEqual([
    { typ: 'check-update', status: 1, text: '' },
  ]);
  expect(await readFile(join(folder, 'called'), 'utf8')).toBe('check-update\n');
});

it('G-62 a program that fails is told with its status and what it said', async () => {
  const path = await program('echo no daemon >&2; exit 1');
  expect(await ask('send-inventory', [path])).toEqual([
    { typ: 'send-inventory', status: 2, text: 'exit status 1: no daemon' },
  ]);
});

it('G-62 without a client the answer lists what was tried; an unknown word is refused', async () => {
  const [answer] = await ask('check-update', ['/nowhere/a', '/nowhere/b']);
  expect(answer).toMatchObject({ status: 2, text: 'Cannot find Mender client binary, tried [/nowhere/a /nowhere/b]' });
  const refused = half().refuse!('reboot', new CodedError('unknown_message', 'no'));
  expect(refused).toMatchObject({ typ: 'reboot', props: { status: 2 } });
  expect(Buffer.from(refused.body).toString()).toBe('unknown message type');
});

it('our own client is told by a signal', async () => {
  const script = `trap 'echo told; exit 0' USR2; echo ready; while :; do sleep 0.05; done`;
  const child = spawn('sh', ['-c', script, 'daemon'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    await writeFile(join(folder, 'pid'), `${child.pid} ${await birthOf(String(child.pid))}\n`);
    const told = once(child.stdout, 'data');
    expect(await ask('send-inventory')).toEqual([{ typ: 'send-inventory', status: 1, text: '' }]);
    expect(String((await told)[0])).toBe('told\n');
  } finally {
    child.kill('SIGKILL');
  }
});
