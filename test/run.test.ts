// `patchbay run`: commands on devices of ours and on one that runs Mender's Connect daemon.
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Device } from '#proto/http/devices';
import type { AuditEntry } from '#proto/http/users';
import { describePeers } from './peers.ts';
import { eventually } from './stage/program.ts';
import { Rig } from './stage/rig.ts';
import { launcher } from './stage/server.ts';

// A shell of mender-connect may be mute, and the next one too: that costs seconds each (addons/run/stock.ts).
vi.setConfig({ testTimeout: 180_000 });

await describePeers('commands on devices', ['mender-connect'], () => {
  let rig: Rig;
  let ours: Device;
  let stock: Device;

  beforeAll(async () => {
    rig = await Rig.start('run');
    [ours, stock] = await Promise.all([rig.device('patchbay'), rig.device('mender')]);
  }, 120_000);
  afterAll(() => rig?.[Symbol.asyncDispose]());

  it('on one it is as if it ran here: output, errors, exit code', async () => {
    const { code, out, err } = await rig.run(['run', ours.id, '--', 'echo good; echo bad >&2; exit 3']);
    expect({ code, out: out.toString(), err }).toEqual({ code: 3, out: 'good\n', err: 'bad\n' });
  });

  it('arguments arrive as they are, bytes too, and standard input is read', async () => {
    const words = ["it's", '$HOME', 'a  b', '*', ''];
    const printed = await rig.run(['run', ours.id, '--', 'printf', '[%s]', ...words]);
    expect(printed.out.toString()).toBe(words.map((word) => `[${word}]`).join(''));
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 256));
    const back = await rig.run(['run', ours.id, '--', 'cat'], bytes);
    expect(back.code).toBe(0);
    expect(back.out.equals(bytes)).toBe(true);
  });

  it('all of its output arrives, however slowly it is read', async () => {
    const child = spawn(process.execPath, [launcher, 'run', stock.id, '--no-input', '--', 'seq 200000'], {
      env: rig.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let size = 0;
    for await (const bytes of child.stdout as AsyncIterable<Buffer>) {
      size += bytes.length;
      await pause(40);
    }
    expect(size).toBe(
      Array.from({ length: 200_000 }, (_, at) => `${at + 1}\n`.length).reduce((sum, length) => sum + length),
    );
  });

  it('on several each line says whose it is, and a table says what came of it', async () => {
    const { code, out, err } = await rig.run(['run', ours.id, stock.id, '--', 'echo one; echo two; exit 4']);
    expect(code).toBe(1);
    const lines = out.toString().trim().split('\n');
    expect(lines.filter((line) => / \| (one|two)$/.test(line)).length).toBe(4);
    expect(err).toMatch(/DEVICE +RESULT +EXIT +SECONDS\n(.* failed +4 +\d+\.\d\d\n){2}$/);
  });

  it('on all, with what they said as JSON', async () => {
    const { code, out } = await rig.run(['--json', 'run', '--all', '--parallel', '1', '--', 'printf', '%s\\n', "it's"]);
    expect({ code, out: code === 0 ? '' : out.toString() }).toEqual({ code: 0, out: '' });
    const results = JSON.parse(out.toString()) as Record<string, unknown>[];
    expect(new Set(results.map(({ id }) => id))).toEqual(new Set([ours.id, stock.id]));
    for (const result of results) expect(result).toMatchObject({ result: 'ok', exit_code: 0, stdout: "it's\n" });
  });

  it('on a stock device: output as it is, its exit code, and in plain words what cannot be', async () => {
    const lines = await rig.run(['run', stock.id, '--', 'seq 20000; exit 7']);
    expect(lines.code).toBe(7);
    expect(lines.out.toString()).toBe(Array.from({ length: 20_000 }, (_, at) => `${at + 1}\n`).join(''));
    const input = await rig.run(['run', stock.id, '--', 'cat'], 'x');
    expect(input).toMatchObject({ code: 1, err: /is not Patchbay's: a command cannot read input there/ });
    const long = await rig.run(['run', stock.id, '--', `echo ${'x'.repeat(5000)}`]);
    expect(long).toMatchObject({ code: 1, err: /it takes commands of 4000 bytes/ });
  });

  it('one that is not done in time is ended with all that it started, on either', async () => {
    const alive = join(rig.folder, 'alive');
    const line = `sh -c 'sleep 3; : > ${alive}' & sleep 60`;
    const { code, err } = await rig.run(['run', ours.id, '--timeout', '1', '--', line]);
    expect(code).toBe(124);
    expect(err).toMatch(/: ended after 1 s\n$/);
    expect((await rig.run(['run', stock.id, '--timeout', '2', '--', 'sleep 60'])).code).toBe(124);
    await rig.run(['run', ours.id, '--', 'sleep 3']);
    expect(existsSync(alive)).toBe(false);
  });

  it('one whose person leaves is ended', async () => {
    const pid = join(rig.folder, 'pid');
    const child = spawn(process.execPath, [launcher, 'run', ours.id, '--', `echo $$ > ${pid}; sleep 60`], {
      env: rig.env,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.end();
    await eventually('the command runs', async () => existsSync(pid));
    child.kill('SIGINT');
    await eventually('the command is gone', async () => {
      const { out } = await rig.run(['run', ours.id, '--', `kill -0 $(cat ${pid}) 2>/dev/null || echo gone`]);
      return out.toString() === 'gone\n';
    });
  });

  it('what is no program, no device or no command is said', async () => {
    writeFileSync(join(rig.folder, 'nothing'), '');
    expect(await rig.run(['run', ours.id, '--', '/no/such', 'x'])).toMatchObject({
      code: expect.any(Number) as number,
    });
    expect(await rig.run(['run', ours.id, 'uptime'])).toMatchObject({ code: 2, err: /write the command after '--'/ });
    expect(await rig.run(['run', '--', 'uptime'])).toMatchObject({ code: 2, err: /say on which devices/ });
    expect(await rig.run(['run', 'nobody', '--', 'uptime'])).toMatchObject({ code: 1, err: /no device is called/ });
  });

  it('is in the audit log with its command', async () => {
    const entries = await rig.operator.get<AuditEntry[]>('/v1/patchbay/audit?action=session_use&per_page=100');
    expect(entries.map(({ details }) => details)).toContainEqual(
      expect.objectContaining({ kind: 'run', typ: 'start', command: 'echo good; echo bad >&2; exit 3' }),
    );
  });
});
