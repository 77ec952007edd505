import { appendFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Alert } from '../alert.ts';
import { Ledger } from './ledger.ts';
import { recordingLog } from './stage.testing.ts';

let folder: string;
let lines: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-ledger-'));
  lines = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

let wall = Date.parse('2026-11-28T00:00:00Z');
let ticks = 0;
const open = (limits: Partial<{ count: number; bytes: number; age: number }> = {}, at = folder) =>
  new Ledger({
    folder: at,
    log: recordingLog(lines),
    limits: () => ({ count: 1000, bytes: 1e6, age: 1000, ...limits }),
    now: () => wall,
    ticks: () => ticks,
  });
const alert = (name: string): Alert => ({
  name,
  level: 'CRITICAL',
  timestamp: '2026-11-28T00:00:00Z',
  subject: { name: 'x', type: 'y', status: 'z' },
});
const names = (ledger: Ledger) => ledger.batch(10_000, 1e9).alerts.map(({ name }) => name);

it('what was not sent is there after a kill, in order, with the states that belong to it', () => {
  const first = open();
  for (const name of ['a', 'b', 'c']) first.add(alert(name), `check_${name}`, { standing: name });
  first.done(first.batch(1, 1e6).last);
  // No dispose: killed.
  using second = open();
  expect(names(second)).toEqual(['b', 'c']);
  expect(Object.fromEntries(second.states)).toEqual({
    check_a: { standing: 'a' },
    check_b: { standing: 'b' },
    check_c: { standing: 'c' },
  });
});

it('a line that the power cut short, and bytes that are none, cost only themselves', async () => {
  open().add(alert('a'), 'a', {});
  await appendFile(join(folder, 'alerts.jsonl'), '\0\0{"seq":');
  using second = open();
  expect(lines.join()).toMatch(/lines of the stored alerts are broken/);
  second.add(alert('b'), 'b', {});
  using third = open();
  expect(names(third)).toEqual(['a', 'b']);
});

it('states that cannot be read are put aside, said, and known to be forgotten', async () => {
  await writeFile(join(folder, 'state.json'), '{"seq":');
  using ledger = open();
  expect(ledger.amnesia).toBe(true);
  expect(lines.join()).toMatch(/put aside/);
  expect(await readdir(folder)).toContain('state.json.broken');
});

it('MON-14 over its number, and over its bytes, the oldest go first, which is said', async () => {
  using ledger = open({ count: 3 });
  for (const name of ['a', 'b', 'c', 'd', 'e']) ledger.add(alert(name), 'k', {});
  expect(names(ledger)).toEqual(['c', 'd', 'e']);
  expect(lines.join()).toMatch(/alerts dropped, the oldest first/);
  const other = join(folder, 'other');
  using small = open({ bytes: 20_000 }, other);
  for (let turn = 0; turn < 3000; turn += 1) small.add(alert(`n${turn}`), 'k', {});
  const kept = names(small);
  expect(kept.at(-1)).toBe('n2999');
  expect(kept.length).toBeGreaterThan(50);
  expect((await stat(join(other, 'alerts.jsonl'))).size).toBeLessThan(400_000);
});

it('MON-14 what is too old goes, by a clock that nobody sets', () => {
  using ledger = open();
  ledger.add(alert('a'), 'k', {});
  ticks += 900_000;
  ledger.add(alert('b'), 'k', {});
  wall += 1e12; // somebody sets the clock
  expect(names(ledger)).toEqual(['a', 'b']);
  ticks += 200_000;
  expect(names(ledger)).toEqual(['b']);
  wall -= 1e12;
});

it('a device whose clock was never set keeps its alerts, in their order', () => {
  const set = wall;
  wall = 1000;
  open().add(alert('in 1970'), 'k', {});
  wall = set;
  const second = open();
  second.add(alert('today'), 'k', {});
  wall -= 86_400_000; // and back by a day
  second.add(alert('yesterday by the clock'), 'k', {});
  using third = open();
  expect(names(third)).toEqual(['in 1970', 'today', 'yesterday by the clock']);
  wall = set;
});

it('a folder that cannot be written is said once, and alerts go on in memory until it can', async () => {
  const place = join(folder, 'full');
  await writeFile(place, 'no folder');
  const ledger = open({}, place);
  ledger.add(alert('a'), 'k', {});
  ledger.add(alert('b'), 'k', {});
  expect(lines.filter((line) => line.includes('kept in memory'))).toHaveLength(1);
  expect(names(ledger)).toEqual(['a', 'b']);
  await rm(place);
  ledger.add(alert('c'), 'k', {});
  using second = open({}, place);
  expect(names(second)).toEqual(['a', 'b', 'c']);
  expect(lines.join()).toMatch(/can be written again/);
});

it('only root can read it', async () => {
  const place = join(folder, 'new');
  using ledger = open({}, place);
  ledger.add(alert('a'), 'k', {});
  ledger.note('other', { standing: 1 });
  ledger.save();
  expect([
    (await stat(place)).mode & 0o777,
    (await stat(join(place, 'alerts.jsonl'))).mode & 0o777,
    (await stat(join(place, 'state.json'))).mode & 0o777,
  ]).toEqual([0o700, 0o600, 0o600]);
});

it('what was sent does not pile up in the file', async () => {
  using ledger = open();
  for (let turn = 0; turn < 200; turn += 1) {
    ledger.add(alert(`n${turn} ${'x'.repeat(10_000)}`), 'k', { turn });
    ledger.done(ledger.batch(1, 1e6).last);
  }
  expect((await stat(join(folder, 'alerts.jsonl'))).size).toBeLessThan(300_000);
  expect(ledger.states.get('k')).toEqual({ turn: 199 });
});
