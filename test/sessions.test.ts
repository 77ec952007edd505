// Terminals of people at our command line and at Mender's: through a server that is killed, listed, ended, recorded,
// played, and shared. All of them whole programs.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { decode } from '#proto';
import { castBytes, castEvent } from '#proto/cast';
import type { Device } from '#proto/http/devices';
import type { AuditEntry } from '#proto/http/users';
import type { RecordingInfo, SessionInfo } from '#proto/http/sessions';
import { describePeers, peerEnvironment } from './peers.ts';
import { eventually } from './stage/program.ts';
import { Rig } from './stage/rig.ts';
import { Screen } from './stage/screen.ts';
import { launcher } from './stage/server.ts';

let rig: Rig;
let device: Device;
beforeAll(async () => {
  rig = await Rig.start('sessions', { server: () => ['--record-terminals', 'all', '--min-free', '1000000'] });
  device = await rig.device('patchbay');
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

const terminal = (...args: string[]): Screen =>
  new Screen(process.execPath, [launcher, 'terminal', device.id, ...args], rig.env);
async function shell(...args: string[]): Promise<Screen> {
  const screen = terminal(...args);
  await screen.shows(/Connected to/);
  screen.type("PS1='> '; echo here-$((1+1))\r");
  await screen.shows(/here-2/);
  return screen;
}
const sessions = (): Promise<SessionInfo[]> => rig.operator.get('/v1/patchbay/sessions');
const recordings = (): Promise<RecordingInfo[]> => rig.operator.get('/v1/patchbay/recordings');
const nobody = (): Promise<unknown> => eventually('nobody is there', async () => (await sessions()).length === 0);
const audit = async (sid: string): Promise<AuditEntry[]> =>
  (await rig.operator.get<AuditEntry[]>('/v1/patchbay/audit?per_page=200')).filter(
    ({ details }) => details?.['session_id'] === sid,
  );

/** What a recording shows, as bytes. */
async function recorded(id: string): Promise<string> {
  const cast = await (await rig.operator.request('GET', `/v1/patchbay/recordings/${id}`)).text();
  const lines = cast.trimEnd().split('\n').slice(1);
  // Whole lines, without the numbers that are ours.
  expect(lines.filter((line) => !line.endsWith('"]'))).toEqual([]);
  const events = lines.map(castEvent);
  return Buffer.concat(events.flatMap((event) => (event?.type === 'o' ? [castBytes(event.data)] : []))).toString();
}

describe('a server that is killed and started again', () => {
  it('ask-9 TERM-20 the shell goes on where it was; it is one session in the audit log and in the recording', async () => {
    const person = await shell();
    const [session] = await sessions();
    person.type('keep=this; for i in 1 2 3 4 5 6 7 8; do echo tick $i; sleep .3; done\r');
    await person.shows(/tick 2\r/);
    await rig.server.restart('SIGKILL');
    await person.shows(/reconnecting/);
    await person.shows(/connected again/);
    await person.shows(/tick 8/);
    expect(person.text.match(/^tick \d/gm)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((n) => `tick ${n}`));
    person.type('echo still-$keep\r');
    await person.shows(/still-this/);
    expect((await sessions()).map(({ id }) => id)).toEqual([session!.id]);
    person.type('exit 3\r');
    expect(await person.exited).toBe(3);
    await nobody();
    const entries = await audit(session!.id);
    expect(entries.map(({ action }) => action).sort()).toEqual(['session_close', 'session_open']);
    for (const entry of entries)
      expect(entry).toMatchObject({
        actor: { type: 'user', id: session!.user_id },
        object: { type: 'device', id: device.id },
        details: { session_id: session!.id, recording: session!.id },
      });
    const closing = entries.find(({ action }) => action === 'session_close')!;
    expect(closing.details?.['interruptions']).toEqual([expect.objectContaining({ lost: 'server' })]);
    const [recording] = await recordings();
    expect(recording).toMatchObject({ id: session!.id, state: 'complete', device_id: device.id });
    const output = await recorded(session!.id);
    expect(output.match(/^tick \d/gm)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((n) => `tick ${n}`));
    expect(output).toContain('still-this');
  });

  it('a server that is stopped in order says nothing of an end, and the shell goes on as well', async () => {
    const person = await shell();
    person.type('keep=that\r');
    await rig.server.restart();
    await person.shows(/connected again/);
    person.type('echo still-$keep\r');
    await person.shows(/still-that/);
    person.type('\x1d');
    await person.shows(/left, the shell is closed/);
    expect(await person.exited).toBe(0);
  });

  it('what was recorded of a killed server can be read up to the cut', async () => {
    const person = await shell();
    const [{ id }] = (await sessions()) as [SessionInfo];
    person.type('echo evidence-$((40+2))\r');
    await person.shows(/evidence-42/);
    await rig.server.stop('SIGKILL');
    person[Symbol.dispose]();
    const file = join(rig.server.data, 'recordings', `${id}.cast`);
    await writeFile(file, '[9.5,"o","half a li', { flag: 'a' });
    await rig.server.restart();
    await rig.operator.connected(device.id);
    expect(await recorded(id)).toContain('evidence-42');
    expect((await recordings()).find((one) => one.id === id)).toMatchObject({ state: 'cut', ended_ts: null });
  });
});

describe('a daemon that is stopped', () => {
  it('says so to whoever has a shell on it, who does not wait in vain', async () => {
    const person = await shell();
    await rig.stopConnect(device.id);
    await person.shows(/the device stops its Connect daemon/);
    expect(await person.exited).toBe(1);
    await rig.crash(device.id);
    await rig.operator.connected(device.id);
  });
});

describe('several terminals', () => {
  it('are listed with who, since when and for how long nothing was typed, and can be ended by an administrator', async () => {
    const people = [await shell(), await shell()];
    const listed = await rig.run(['sessions', 'list', device.id]);
    expect(listed.code).toBe(0);
    const { out } = await rig.run(['devices', '--json']);
    const [{ name } = { name: '' }] = JSON.parse(out.toString()) as { name: string }[];
    expect(name).not.toBe(device.id);
    const row = `${name} +admin@example\\.com +terminal +\\d+ s ago +\\d+ s ago +open, recorded`;
    expect(listed.out.toString().match(new RegExp(row, 'g'))).toHaveLength(2);
    const [first] = await sessions();
    expect(first!.idle_seconds).toBeLessThan(30);
    const ended = await rig.run(['sessions', 'end', first!.id.slice(0, 8)]);
    expect(ended.err).toBe(`${first!.id} ended\n`);
    const code = await Promise.race(people.map(async (one) => await one.exited));
    expect(code).toBe(1);
    expect((await sessions()).map(({ id }) => id)).not.toContain(first!.id);
    for (const person of people) person.type('\x1d');
    await nobody();
  });
});

describe('a recording', () => {
  it('H-78 holds what was shown and not what was typed, plays at its pace or faster, in the reference’s own way too, and can be saved', async () => {
    const person = await shell();
    const [{ id }] = (await sessions()) as [SessionInfo];
    person.type('read -s secret; echo got-${#secret}\r');
    await person.shows(/got-\$/);
    person.type('hunter2\r');
    await person.shows(/got-7/);
    person.type("printf '\\377\\303'; sleep 2; printf '\\251\\n'; echo p''lain\r");
    await person.shows(/plain/, 10_000);
    person.type('exit\r');
    await person.exited;
    await nobody();
    const played = await rig.run(['sessions', 'play', id.slice(0, 10), '--speed', '50']);
    expect(played.err).toBe('');
    expect(played.out.toString('latin1')).toContain('\xff\xc3\xa9\r\n');
    expect(played.out.toString()).not.toContain('hunter2');
    const file = join(rig.folder, 'saved.cast');
    expect((await rig.run(['sessions', 'download', id, '-o', file])).code).toBe(0);
    expect(JSON.parse((await readFile(file, 'utf8')).split('\n')[0]!)).toMatchObject({
      version: 2,
      width: 100,
      height: 30,
    });
    expect((await rig.run(['sessions', 'play', file, '--idle', '0.01'])).out.equals(played.out)).toBe(true);

    // The reference's own playback.
    const url = `${rig.server.url.replace('http', 'ws')}/api/management/v1/deviceconnect/sessions/${id}/playback?sleep_ms=0`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${rig.operator.token}` } });
    const parts: Buffer[] = [];
    const delays: number[] = [];
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data) => {
        const { hdr, body } = decode(data as Buffer);
        expect(hdr).toMatchObject({ proto: 1, sid: id });
        if (hdr.typ === 'delay') delays.push(Number(hdr.props?.['delay_value']));
        if (hdr.typ === 'shell') {
          expect(body!.length).toBeLessThanOrEqual(1024);
          parts.push(Buffer.from(body!));
        }
        if (Buffer.concat(parts).length >= played.out.length) resolve();
      });
    });
    expect(Buffer.concat(parts).equals(played.out)).toBe(true);
    expect(delays.some((delay) => delay >= 1500 && delay < 4000)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 300)); // it must stay open
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.close();
  });

  it('is not for somebody without the right to it', async () => {
    await rig.operator.request('POST', '/v1/useradm/users', {
      email: 'support@example.com',
      password: 'not to look at that',
      roles: ['support'],
    });
    const login = await fetch(`${rig.server.url}/api/management/v1/useradm/auth/login`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('support@example.com:not to look at that')}` },
    });
    const token = await login.text();
    const [{ id }] = (await recordings()) as [RecordingInfo];
    const url = `${rig.server.url}/api/management/v1/patchbay/recordings/${id}`;
    expect((await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status).toBe(403);
    const playback = url
      .replace('http', 'ws')
      .replace(`patchbay/recordings/${id}`, `deviceconnect/sessions/${id}/playback`);
    const status = await new Promise((resolve) => {
      const socket = new WebSocket(playback, { headers: { authorization: `Bearer ${token}` } });
      socket.on('unexpected-response', (_, { statusCode }) => resolve(statusCode));
      socket.on('open', () => resolve(101));
      socket.on('error', () => undefined);
    });
    expect(status).toBe(403);
  });
});

describe('a shared terminal', () => {
  it('a second person sees what the first sees, types once he may, and each is told of the other', async () => {
    const first = await shell();
    const [{ id }] = (await sessions()) as [SessionInfo];
    first.type('echo before-$((1+1))\r');
    await first.shows(/before-2/);
    const second = terminal('--join', id.slice(0, 8));
    await second.shows(/admin@example\.com has this terminal, and you only watch/);
    await second.shows(/before-2/);
    await first.shows(/admin@example\.com watches/);
    second.type('echo not-$((1+1))\r');
    first.type('echo after-$((1+1))\r');
    await second.shows(/after-2/);
    expect(first.text).not.toContain('not-2');
    await rig.operator.request('PATCH', `/v1/patchbay/sessions/${id}`, { typing: true });
    await first.shows(/admin@example\.com types too/);
    await second.shows(/and you may type/);
    second.type('echo from-$((1+1))nd\r');
    await first.shows(/from-2nd/);
    second.type('\x1d');
    expect(await second.exited).toBe(0);
    await first.shows(/nobody else is here/);
    const listed = (await audit(id)).map(({ action }) => action);
    expect(listed).toContain('session_join');
    first.type('\x1d');
    expect(await first.exited).toBe(0);
  });
});

await describePeers('mender-cli 1.9', ['mender-cli'], (root) => {
  it('TERM-18 is told when its terminal must be recorded and is; TERM-19 the recording has what it showed', async () => {
    const tool = join(root ?? '', 'usr', 'bin', 'mender-cli');
    const env = { ...process.env, ...(await peerEnvironment('mender-cli')), HOME: rig.folder };
    const args = ['--server', rig.server.url, '--token-value', rig.operator.token, 'terminal', device.id];
    using screen = new Screen(tool, args, env);
    await screen.shows(/\$|#|>/);
    const [{ id, resumes }] = (await sessions()) as [SessionInfo];
    expect(resumes).toBe(false);
    screen.type('echo mender-$((1+1))\r');
    await screen.shows(/mender-2/);
    screen.type('exit\r');
    await screen.exited;
    await nobody();
    expect(await recorded(id)).toContain('mender-2');
  });
});
