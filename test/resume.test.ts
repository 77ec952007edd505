import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { messageOf } from '#base/errors';
import type { SessionEvent } from '../server/relay/events.ts';
import { Cut } from './stage/cut.ts';
import { TestDevice, type DeviceOptions } from './stage/device.ts';
import { Reader, startRelay } from './stage/relay-path.ts';

// A person, the relay, a real Connect daemon and a real shell, with links that can be cut on both sides of the relay.

const open: AsyncDisposable[] = [];
const using = <T extends AsyncDisposable>(thing: T): T => (open.push(thing), thing);
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
});

const fast = { first: 20, ceiling: 100 };

async function path(options: DeviceOptions = {}, relay: Parameters<typeof startRelay>[0] = {}) {
  const server = using(await startRelay(relay));
  const far = using(await Cut.before(server.port));
  const near = using(await Cut.before(server.port));
  const device = using(await TestDevice.start('one', far.url, { ...options, times: { ...fast, ...options.times } }));
  await server.until('the device is connected', () => server.relay.isConnected('one'));
  const shell = async (who = 'ann', times = {}): Promise<Reader> => {
    const more = { server: near.url, resume: true, times: { ...fast, ...times } };
    return await new Reader(await server.open('one', who, more)).start();
  };
  const back = (reader: Reader, count = 1): Promise<void> =>
    reader.until('back', () => reader.links.filter(Boolean).length >= count);
  return { server, device, near, far, shell, back };
}
const closed = (server: { events: SessionEvent[] }) => server.events.filter(({ type }) => type === 'closed');

describe('a shell lives on', () => {
  it("ask-9 when the person's link is cut, and takes what was typed meanwhile, once", async () => {
    const { server, near, shell, back } = await path();
    const person = await shell();
    person.type('X=before\r');
    near.sever();
    await person.until('away', () => person.links.includes(false));
    person.type('echo $X-$((6*7))-$X\r');
    near.mend();
    await back(person);
    await person.shows('before-42-before');
    expect(person.output.toString().split('before-42-before')).toHaveLength(2);
    expect(server.events.map(({ type }) => type)).toEqual(['opened']);
    person.session.close();
    await server.until('closed', () => closed(server).length === 1);
    expect(closed(server)[0]!.session.interruptions).toEqual([
      { lost: 'person', at: expect.any(String) as string, seconds: expect.any(Number) as number },
    ]);
  });

  it("ask-9 when the device's link is cut, and says afterwards what it has said meanwhile", async () => {
    const { server, far, shell, back } = await path();
    const person = await shell();
    person.type('for i in 1 2 3 4 5 6; do sleep .1; echo line $i; done; echo d""one\r');
    await person.shows('line 2');
    far.sever();
    await person.until('away', () => person.links.includes(false));
    await new Promise((resolve) => setTimeout(resolve, 700)); // the shell is to have spoken into the void
    far.mend();
    await back(person);
    await person.shows('done\r\n');
    expect(person.output.toString().match(/line \d\r/g)).toEqual([1, 2, 3, 4, 5, 6].map((n) => `line ${n}\r`));
    expect(server.events).toHaveLength(1);
  });

  it('whatever is cut in the middle of a flood, in both directions: every byte arrives once and in order', async () => {
    const { near, far, shell } = await path();
    const person = await shell();
    person.type('stty -echo -onlcr; PS1=; cat > /tmp/patchbay-resume-$$ & seq 1 150000; wc -c /dev/null\r');
    await person.shows('\n2000\n');
    const cuts = [near, far, far, near, near, far];
    for (const link of cuts) {
      const before = person.output.length;
      link.cut();
      await person.until('more', () => person.output.length > before + 50_000 || person.output.includes('150000\n'));
    }
    await person.shows('0 /dev/null');
    const numbers = person.output.toString().match(/^\d+$/gm)!.map(Number);
    expect(numbers).toEqual(Array.from({ length: 150_000 }, (_, i) => i + 1));
    // The other way: a paste that is longer than any window, cut while it is under way.
    person.type('cat | sha256sum; echo read""y\r');
    const line = `${'x'.repeat(99)}\n`;
    const all = line.repeat(20_000);
    const sending = (async () => {
      for (let at = 0; at < all.length; at += 4096)
        if (!person.type(all.slice(at, at + 4096))) await person.session.drained();
    })();
    for (const link of [near, far, near]) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      link.cut();
    }
    await sending;
    person.type('\x04');
    await person.shows('ready\n');
    const { createHash } = await import('node:crypto');
    expect(person.output.toString()).toContain(createHash('sha256').update(all).digest('hex'));
  });

  it('ask-4 a link that has gone silent at both ends is noticed and replaced', async () => {
    const beat = { ping: 100, dead: 400 };
    const { near, far, shell, back } = await path({ times: beat }, { heartbeat: beat });
    const person = await shell('ann', { ask: 100, dead: 400 });
    far.hush();
    await person.until('away', () => person.links.includes(false));
    far.mend();
    await back(person);
    near.hush();
    await person.until('away again', () => person.links.at(-1) === false);
    near.mend();
    await back(person, 2);
    person.type('echo $((6*7))\r');
    await person.shows('42');
  });

  it('that ends while its person is away: he gets its last words and its exit code', async () => {
    const { near, shell } = await path();
    const person = await shell();
    person.type('read x; echo last words; exit 7\r');
    await person.shows('read x');
    person.type('go\r');
    near.sever();
    await person.until('away', () => person.links.includes(false));
    await new Promise((resolve) => setTimeout(resolve, 300)); // the shell is to end now
    near.mend();
    expect(await person.answer('stop')).toMatchObject({ props: { exit_code: 7 } });
    expect(person.output.toString()).toContain('last words');
  });

  it('away it keeps what its configuration allows, and its program waits beyond that', async () => {
    const { near, shell, back } = await path({ settings: { Sessions: { ResumeBuffer: 128 * 1024 } } });
    const person = await shell();
    person.type('stty -onlcr; (seq 1 100000; echo d""one) | tee >(cat) | cat\r');
    await person.shows('\n500');
    near.sever();
    await person.until('away', () => person.links.includes(false));
    await new Promise((resolve) => setTimeout(resolve, 300)); // time to fill more than it may keep
    near.mend();
    await back(person);
    await person.shows('done\n');
  });
});

describe('a session that cannot go on says why', () => {
  it('the time for it is over', async () => {
    const { server, near, shell } = await path({ settings: { Sessions: { ResumeWithin: 1 } } });
    const person = await shell();
    near.sever();
    await person.until('the end', () => person.ended);
    expect(messageOf(person.session.signal.reason)).toContain('away for more than');
    await server.until('the end on the server', () => closed(server).length === 1);
    expect(server.relay.sessions()).toEqual([]);
  });

  it('the Connect daemon was restarted', async () => {
    const { server, device, far, shell } = await path();
    const person = await shell();
    far.sever();
    await person.until('away', () => person.links.includes(false));
    await device.stop();
    far.mend();
    using(await TestDevice.start('one', far.url, { times: fast }));
    await person.until('the end', () => person.ended);
    expect(messageOf(person.session.signal.reason)).toBe('the device does not have this session any more');
    await server.until('the end on the server', () => closed(server).length === 1);
  });

  it('it was ended by an administrator meanwhile, and its shell with it', async () => {
    const { server, near, shell } = await path();
    const person = await shell();
    person.type('echo pid=$$\r');
    await person.until('the pid', () => /pid=\d+/.test(person.output.toString()));
    const pid = /pid=(\d+)/.exec(person.output.toString())![1]!;
    near.sever();
    await person.until('away', () => person.links.includes(false));
    await server.until('known', () => server.relay.sessions()[0]?.waitsFor === 'person');
    server.relay.endSession(person.session.sid, 'ended by an administrator');
    near.mend();
    await person.until('the end', () => person.ended);
    expect(messageOf(person.session.signal.reason)).toContain('the session has ended');
    await expect.poll(() => readdirSync('/proc').includes(pid), { timeout: 10_000 }).toBe(false);
  });

  it('somebody else cannot take it, whatever he knows of it', async () => {
    const { server, near, shell, back } = await path();
    const person = await shell();
    near.sever();
    await person.until('away', () => person.links.includes(false));
    const { WebSocket } = await import('ws');
    const url = `${server.url.replace('http', 'ws')}/api/management/v1/deviceconnect/devices/one/connect?session=${person.session.sid}`;
    const status = await new Promise<number | undefined>((resolve) => {
      const thief = new WebSocket(url, {
        headers: { Authorization: 'Bearer user-bob', 'Patchbay-Extensions': 'resume' },
      });
      thief.on('unexpected-response', (_, response) => resolve(response.statusCode));
      thief.on('open', () => resolve(101));
      thief.on('error', () => undefined);
    });
    expect(status).toBe(404);
    near.mend();
    await back(person);
  });

  it('it is not negotiated where the device does not offer it: a cut is the end, as in the reference', async () => {
    const { near, shell } = await path({ settings: { Sessions: { ResumeWithin: 0 } } });
    const person = await shell();
    near.cut();
    await person.until('the end', () => person.ended);
    expect(messageOf(person.session.signal.reason)).toContain('connection lost');
  });
});
