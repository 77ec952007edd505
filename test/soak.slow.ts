// Sessions that are opened, used and cut at random for a while (PATCHBAY_SOAK seconds, 90 by itself), and then: nothing left.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import type { MessageOf } from '#proto';
import type { OperatorSession } from '#addon/cli';
import portForward from '#addons/port-forward/manifest';
import type { portForward as forwarding } from '#addons/port-forward/protocol';
import { openSession } from '../cli/session.ts';
import { Cut } from './stage/cut.ts';
import { TestDevice } from './stage/device.ts';
import { Reader, startRelay } from './stage/relay-path.ts';

const seconds = Number(process.env['PATCHBAY_SOAK'] ?? 90);
const sessions = 200;
const fast = { first: 20, ceiling: 200 };

/** What this process has that the system counts: descriptors by kind, children, and what keeps its loop alive. */
function holdings() {
  const descriptors = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, 'n')];
    } catch {
      return [];
    }
  });
  const children = readdirSync('/proc').filter((pid) => {
    try {
      return (
        readFileSync(`/proc/${pid}/stat`, 'latin1')
          .replace(/^.*\) /s, '')
          .split(' ')[1] === String(process.pid)
      );
    } catch {
      return false;
    }
  });
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  return {
    sockets: descriptors.filter((name) => /socket|ptmx|pts/.test(name)).length,
    children: children.length,
    timers,
  };
}

it(`${sessions} sessions and more, used and cut at random for ${seconds} s, leave nothing behind`, async () => {
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const server = await startRelay({ sessionsPerDevice: 1000 });
  const far = await Cut.before(server.port);
  const near = await Cut.before(server.port);
  const device = await TestDevice.start('one', far.url, {
    addons: ['terminal', 'port-forward'],
    settings: { ShellCommand: '/bin/sh', ShellArguments: [], Sessions: { ResumeWithin: 30 } },
    times: fast,
  });
  await server.until('the device is connected', () => server.relay.isConnected('one'));
  const before = holdings();
  const end = performance.now() + seconds * 1000;
  let done = 0;
  let begun = 0;
  const more = (): boolean => performance.now() < end || begun < sessions;

  const shell = async (): Promise<void> => {
    const lines = 20 + Math.floor(Math.random() * 400);
    const session = await server.open('one', `user${begun}`, { server: near.url, resume: true, times: fast });
    const person = new Reader(session);
    try {
      await person.start({}, 60_000);
    } catch (error) {
      session.close();
      throw error;
    }
    // The empty line: the shell's first prompt may come after the echo of this, and the numbers stand alone.
    person.type(
      `stty -echo -onlcr; PS1=; echo; seq 1 ${lines}; sleep 0.${Math.floor(Math.random() * 9)}; seq 1 ${lines}; echo d""one\r`,
    );
    if (Math.random() < 0.2) return session.close(); // left in the middle
    await person.until('done', () => /done\n/.test(person.output.toString()) || person.ended, 60_000);
    const numbers = [...person.output.toString().matchAll(/^(\d+)$/gm)].map(([, n]) => Number(n));
    const once = Array.from({ length: lines }, (_, i) => i + 1);
    expect(numbers).toEqual([...once, ...once]);
    if (Math.random() < 0.5) person.type('exit\r');
    else session.close();
    await person.until('the end', () => person.ended || person.messages.some(({ typ }) => typ === 'stop'), 60_000);
    session.close();
  };

  const forward = async (): Promise<void> => {
    type Message = MessageOf<typeof forwarding>;
    const session: OperatorSession<Message> = await openSession<Message>({
      server: near.url,
      token: `user-f${begun}`,
      deviceId: 'one',
      protocol: portForward.protocol!,
      resume: true,
      times: fast,
    });
    const { port } = echo.address() as AddressInfo;
    const pieces = 5 + Math.floor(Math.random() * 50);
    session.send({
      typ: 'new',
      props: { connection_id: 'c', window: 1 << 20, chunk: 65_536 },
      body: { remote_host: '127.0.0.1', remote_port: port, protocol: 'tcp' },
    });
    let got = 0;
    for await (const message of session) {
      if (message.typ === 'new')
        for (let i = 0; i < pieces; i++)
          session.send({ typ: 'forward', props: { connection_id: 'c' }, body: Buffer.alloc(1000, i) });
      if (message.typ !== 'forward') continue;
      for (const byte of message.body) expect(byte).toBe(Math.floor(got++ / 1000) % 256);
      session.send({ typ: 'ack', props: { connection_id: 'c', received: got } });
      if (got === pieces * 1000) break;
    }
    if (session.signal.aborted) throw session.signal.reason;
    expect(got).toBe(pieces * 1000);
    session.close();
  };

  const worker = async (work: () => Promise<void>): Promise<void> => {
    while (more()) {
      begun++;
      await work();
      done++;
    }
  };
  const cutting = new AbortController();
  const cutter = (async () => {
    while (!cutting.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 3500));
      const link = Math.random() < 0.5 ? near : far;
      const way = Math.random();
      if (way < 0.7) link.cut();
      else {
        link.sever();
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
        link.mend();
      }
    }
  })();
  // The first socket of a session is no session yet: when it is refused or cut, it is simply tried again.
  const patient = (work: () => Promise<void>) => async (): Promise<void> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const text = String(error);
        if (!/hang up|ECONNRE|disconnected|broken off|connection lost|too many|does not have|has ended/.test(text))
          throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  await Promise.all([
    ...Array.from({ length: 10 }, () => worker(patient(shell))),
    ...Array.from({ length: 10 }, () => worker(patient(forward))),
  ]);
  cutting.abort();
  await cutter;
  expect(done).toBeGreaterThanOrEqual(sessions);
  // Whatever was left in the middle of a cut has its time, and a shell its farewell.
  await expect.poll(() => server.relay.sessions().length, { timeout: 120_000 }).toBe(0);
  await expect.poll(() => holdings().children, { timeout: 40_000 }).toBe(before.children);
  far.cut();
  near.cut();
  await server.until('the device is back', () => server.relay.isConnected('one'));
  await expect
    .poll(() => holdings(), { timeout: 40_000, interval: 500 })
    .toMatchObject({ children: before.children, sockets: before.sockets, timers: expect.any(Number) as number });
  expect(holdings().timers).toBeLessThanOrEqual(before.timers + 2);
  const probe = connect({ port: server.port, host: '127.0.0.1' });
  await once(probe, 'connect');
  probe.destroy();
  await device[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
  await near[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  echo.close();
});
