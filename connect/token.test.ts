import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
