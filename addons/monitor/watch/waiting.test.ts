import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { MonitorStage } from './stage.testing.ts';
import { untilNeeded } from './waiting.ts';

/** A device without checks, up to where the server has heard so. */
async function waiting(settings: Readonly<Record<string, unknown>> = {}) {
  const stage = await MonitorStage.start();
  const stop = new AbortController();
  let answer: boolean | undefined;
  const over = untilNeeded({ device: stage.device, config: stage.config(settings), settling: 100 }, stop.signal).then(
    (needed) => (answer = needed),
  );
  await stage.server.until('a report', () => stage.server.configs.length > 0);
  expect(stage.server.configs).toEqual([[]]);
  expect(answer).toBe(undefined);
  return {
    stage,
    over,
    stop,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await over;
      await stage[Symbol.asyncDispose]();
    },
  };
}

it.concurrent('a device without checks says so, keeps no file, and Monitor is not needed', async () => {
  await using own = await waiting();
  own.stop.abort();
  expect(await own.over).toBe(false);
  expect(existsSync(own.stage.at('var'))).toBe(false);
});

it.concurrent('a check that is enabled wakes it', async () => {
  await using own = await waiting();
  await own.stage.check('disk_root', 'DISK_PERCENT=100\n');
  expect(await own.over).toBe(true);
});

it.concurrent('a check in another folder that the settings name from now on wakes it', async () => {
  await using own = await waiting();
  await mkdir(own.stage.at('other', 'enabled'), { recursive: true });
  await own.stage.settings(`MONITOR_D_DIRECTORY="${own.stage.at('other')}"\n`);
  await writeFile(own.stage.at('other', 'enabled', 'disk_root.sh'), 'DISK_PERCENT=100\n');
  expect(await own.over).toBe(true);
});

it.concurrent('a check of the server wakes it, and is there after a start without the server', async () => {
  await using own = await waiting();
  own.stage.server.checks = { version: '1', checks: [{ type: 'disk', name: 'root', percent: 100 }] };
  own.stage.link(true);
  expect(await own.over).toBe(true);
  own.stage.online = false;
  expect(await untilNeeded({ device: own.stage.device, config: own.stage.config() }, own.stop.signal)).toBe(true);
});

it.concurrent('an alert by hand wakes it', async () => {
  await using own = await waiting();
  await own.stage.library();
  await own.stage.byHand('monitor_send_alert CRITICAL "It is wet" "" pump "" custom');
  expect(await own.over).toBe(true);
});

it.concurrent('alerts that wait for the server wake it at once, and what was bad is looked after', async () => {
  await using own = await waiting();
  await mkdir(own.stage.at('var'));
  await writeFile(own.stage.at('var', 'alerts.jsonl'), '');
  expect(await untilNeeded({ device: own.stage.device, config: own.stage.config() }, own.stop.signal)).toBe(true);
});
