// `npm run bench -- NAME [--json] [--count N]`: one measurement, as a table for people or as a line of JSON a row.
// `--count` is how often, for those that are repeated as long as somebody has the time.
import { readdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Bench, Row } from './row.ts';

const own = new Set(['run.ts', 'row.ts']);
const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean' }, count: { type: 'string' } },
  allowPositionals: true,
});
const json = values.json ?? false;
const count = values.count === undefined ? undefined : Number(values.count);
if (count !== undefined && !(Number.isInteger(count) && count > 0)) {
  console.error('bench: --count wants a whole number above 0');
  process.exit(2);
}
const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith('.ts') && !own.has(file));
const names = files.map((file) => file.slice(0, -3));
const wanted = positionals.length > 0 ? positionals : [];
const unknown = wanted.find((name) => !names.includes(name));
if (wanted.length === 0 || unknown !== undefined) {
  const reason = unknown === undefined ? 'name one' : `there is no bench '${unknown}'`;
  console.error(`bench: ${reason}: ${names.join(', ')}`);
  process.exit(2);
}

let met = true;
for (const name of wanted) {
  const { run } = (await import(`./${name}.ts`)) as { run: Bench };
  const rows = await run({ json, ...(count === undefined ? {} : { count }) });
  for (const row of rows) {
    met &&= row.met;
    if (json) console.log(JSON.stringify(row));
  }
  if (!json) console.log(table(rows));
}
process.exit(met ? 0 : 1);

function table(rows: readonly Row[]): string {
  const head = ['bench', 'case', 'ours', 'against', 'other', 'ratio', 'target', ''];
  const lines = rows.map((row) => [
    row.bench,
    row.case,
    `${round(row.ours)} ${row.unit}`,
    row.against,
    `${round(row.other)} ${row.unit}`,
    round(row.ratio),
    row.target,
    row.met ? 'met' : 'MISSED',
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)));
  return [head, ...lines]
    .map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .join('\n');
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
