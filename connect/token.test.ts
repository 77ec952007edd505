import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from 'dbus-next';
import { expect, it } from 'vitest';
import type { Log } from '#base/log';
import { authentication as auth } from '#proto/dbus';
import { PrivateBus, TokenService } from './bus.testing.ts';
import { Token } from './token.ts';

it('a client that does not run is waited for, and not started, though the bus would start it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'patchbay-token-'));
  const started = join(folder, 'started');
  await using bus = await PrivateBus.start({ [auth.name]: `/bin/touch ${started}` });
  const said: string[] = [];
  const waiting = Promise.withResolvers<void>();
  const say = (event: string): void => {
    said.push(event);
    if (event.startsWith('no update client runs')) waiting.resolve();
  };
  const log: Log = { debug: say, info: say, warn: say, error: say, child: () => log };
  const stop = new AbortController();
  const token = new Token({ log, busAddress: bus.address });
  const done = token.run(stop.signal);
  try {
    await waiting.promise;
    for (let again = 0; again < 3; again += 1) await token.refresh();
    expect(said).toEqual(['no update client runs, waiting for one']);
    expect(existsSync(started)).toBe(false);
    const changed = new Promise((resolve) => token.changed.addEventListener('abort', resolve));
    using _ = await TokenService.start(bus.address, 'token-1', 'http://127.0.0.1:1');
    await changed;
    expect(token.current).toEqual({ token: 'token-1', serverUrl: 'http://127.0.0.1:1' });
  } finally {
    stop.abort();
    await done;
    rmSync(folder, { recursive: true });
  }
});

it('B-23 the client is asked by a call that names its interface, needs no introspection, and may fail to answer', async () => {
  await using bus = await PrivateBus.start();
  const service = dbus.sessionBus({ busAddress: bus.address });
  service.on('error', () => undefined);
  const calls: { interface: string; member: string }[] = [];
  // The library answers nothing of this path, not even Introspect: what is not answered here stays so.
  let answers = false;
  (service as unknown as { addMethodHandler(handler: (call: dbus.Message) => boolean): void }).addMethodHandler(
    (call) => {
      calls.push({ interface: call.interface, member: call.member });
      if (answers) service.send(reply(call, ['token-1', 'http://127.0.0.1:1']));
      return true;
    },
  );
  await service.requestName(auth.name, 4);
  const silent = Promise.withResolvers<string>();
  const warn = (event: string, details?: Readonly<Record<string, unknown>>): void =>
    event === 'no answer from the client' ? silent.resolve(String(details?.['error'])) : undefined;
  const log: Log = { debug: () => {}, info: () => {}, warn, error: () => {}, child: () => log };
  const stop = new AbortController();
  const token = new Token({ log, busAddress: bus.address, timeout: 200 });
  const done = token.run(stop.signal);
  try {
    expect(await silent.promise).toBe('GetJwtToken was not answered in 200 ms');
    answers = true;
    await token.refresh();
    expect(token.current).toEqual({ token: 'token-1', serverUrl: 'http://127.0.0.1:1' });
    expect(new Set(calls.map((call) => `${call.interface}.${call.member}`))).toEqual(
      new Set([`${auth.interface}.${auth.getJwtToken.name}`]),
    );
  } finally {
    stop.abort();
    await done;
    service.disconnect();
    service._connection.stream.destroy();
  }
});

const reply = (call: dbus.Message, body: string[]): dbus.Message =>
  (
    dbus.Message as unknown as { newMethodReturn(call: dbus.Message, signature: string, body: string[]): dbus.Message }
  ).newMethodReturn(call, auth.getJwtToken.out, body);
