import { CodedError } from '#base/errors';
import type { CliHost } from '#addon/cli';
import { type Given, originOf, type Revision, type Sent, stateWords, type Whole } from './answers.ts';
import type { Drifting, Target } from './target.ts';
import { valueOf } from './values.ts';

type Host = Pick<CliHost, 'stdout' | 'stderr' | 'json'>;

/** Of a device with what it reports and where it comes from, of a group or the fleet what is given there. */
export function settings(host: Host, target: Target, answer: Whole | Given, keys: readonly string[]): void {
  const rows = rowsOf(answer);
  for (const key of keys)
    if (!rows.some((row) => row.key === key)) throw new CodedError('failed', `${target.words}: ${key} is not set`);
  const [only] = keys;
  const wanted = rows.filter(({ key }) => keys.length === 0 || keys.includes(key));
  if (host.json)
    return json(host, keys.length === 0 ? answer : Object.fromEntries(wanted.map(({ key, value }) => [key, value])));
  if (only !== undefined && keys.length === 1) {
    const { value = '' } = wanted[0] ?? {};
    return void host.stdout.write(`${host.stdout.isTTY ? plain(value) : value}\n`);
  }
  const device = 'effective' in answer;
  table(
    host,
    device ? ['KEY', 'VALUE', 'REPORTED', 'FROM'] : ['KEY', 'VALUE'],
    wanted.map(({ key, value = '-', reported = '-', origin = '-' }) =>
      device ? [key, value, value === reported ? '=' : reported, origin] : [key, value],
    ),
  );
  if (device) {
    const { state, deployment_id: id } = answer;
    const why = state === 'failed' && id !== undefined ? `; why: patchbay deployments log ${id} ${target.words}` : '';
    host.stderr.write(`${target.words}: ${stateWords[state]}${why}\n`);
  } else if (rows.length === 0) host.stderr.write(`${target.words}: no settings\n`);
}

interface Row {
  readonly key: string;
  readonly value?: string;
  readonly reported?: string;
  readonly origin?: string;
}

function rowsOf(answer: Whole | Given): Row[] {
  if (!('effective' in answer)) return Object.entries(answer.values).map(([key, value]) => ({ key, value }));
  const { effective, reported } = answer;
  const rows: Row[] = effective.map(({ key, value, origin }) => {
    const has = valueOf(reported, key);
    return { key, value, origin: originOf(origin), ...(has === undefined ? {} : { reported: has }) };
  });
  for (const [key, value] of Object.entries(reported))
    if (!rows.some((row) => row.key === key)) rows.push({ key, reported: value });
  return rows;
}

export function drift(host: Host, devices: readonly Drifting[]): void {
  if (host.json) return json(host, devices);
  if (devices.length === 0) return void host.stderr.write('no difference\n');
  for (const { device, state, drift } of devices) {
    host.stdout.write(`${plain(device)}: ${stateWords[state]}\n`);
    for (const { key, desired, reported, since } of drift?.keys ?? []) {
      if (reported !== undefined) host.stdout.write(`- ${plain(key)}=${plain(reported)}\n`);
      const when = `  (since ${since})`;
      if (desired !== undefined) host.stdout.write(`+ ${plain(key)}=${plain(desired)}${when}\n`);
      else host.stdout.write(`  it is not to have ${plain(key)}${when}\n`);
    }
  }
}

export function history(host: Host, revisions: readonly Revision[]): void {
  if (host.json) return json(host, revisions);
  if (revisions.length === 0) return void host.stderr.write('nothing was ever given\n');
  for (const { revision, ts, by, reverts, changes } of revisions) {
    const back = reverts === undefined ? '' : `, back to ${reverts}`;
    host.stdout.write(`${revision}  ${ts}  ${plain(by) || '-'}${back}\n`);
    for (const { key, before, after } of changes ?? []) {
      if (before !== undefined) host.stdout.write(`   - ${plain(key)}=${plain(before)}\n`);
      if (after !== undefined) host.stdout.write(`   + ${plain(key)}=${plain(after)}\n`);
    }
  }
}

/** False: some could not be sent what they are to have. */
export function sent(host: Host, { sent: each, unchanged }: Sent): boolean {
  const failed = each.filter(({ error }) => error !== undefined);
  if (host.json) json(host, { sent: each, unchanged });
  else {
    for (const { device_id: id, error = '' } of failed) host.stderr.write(`${id}: ${error}\n`);
    const has = unchanged > 0 ? `, ${unchanged} have it or are about to` : '';
    host.stderr.write(
      `sent to ${each.length - failed.length} device${each.length - failed.length === 1 ? '' : 's'}${has}\n`,
    );
  }
  return failed.length === 0;
}

function table(host: Host, heads: readonly string[], rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return;
  const cells = [heads, ...rows.map((row) => row.map(plain))];
  const widths = heads.map((_, column) => Math.max(...cells.map((row) => widthOf(row[column] ?? ''))));
  for (const row of cells) {
    const padded = row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)));
    host.stdout.write(`${padded.join('  ').trimEnd()}\n`);
  }
}

const graphemes = new Intl.Segmenter();
const widthOf = (text: string): number => Array.from(graphemes.segment(text)).length;

const json = (host: Host, value: unknown): void => void host.stdout.write(`${JSON.stringify(value, null, 2)}\n`);

/** Text of a device does not steer a terminal. */
const plain = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (c) => (c === '\n' ? '\\n' : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`));
