// Mutations that know what they break: bytes, tar entries, JSON values. Deeper layers can be made consistent again, so
// that a change in them is not stopped by the checksum above.
import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Random } from './random.ts';

/** One entry of a tar, loosely: the header block is kept so that odd ones stay odd. */
export interface Entry {
  header: Buffer;
  content: Buffer;
}

const block = 512;

/** Takes apart a tar that is known to be sound. */
export function entriesOf(tar: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + block <= tar.length && tar[at] !== 0;) {
    const header = Buffer.from(tar.subarray(at, at + block));
    const size = Number.parseInt(header.toString('latin1', 124, 136), 8) || 0;
    entries.push({ header, content: Buffer.from(tar.subarray(at + block, at + block + size)) });
    at += block + Math.ceil(size / block) * block;
  }
  return entries;
}

export function tarOf(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ header, content }) => [
    header,
    content,
    Buffer.alloc((block - (content.length % block)) % block),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

export const nameOf = ({ header }: Entry): string => header.toString('latin1', 0, 100).replace(/\0.*$/s, '');

/** Makes size and checksum of a header right for its content. */
export function mended(entry: Entry): Entry {
  const header = Buffer.from(entry.header);
  header.write(entry.content.length.toString(8).padStart(11, '0'), 124, 'latin1');
  return { header: summed(header), content: entry.content };
}

function summed(header: Buffer): Buffer {
  header.write('        ', 148, 'latin1');
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  );
  return header;
}

/** Flips, inserts, removes, repeats or overwrites bytes here and there. */
export function mutateBytes(random: Random, bytes: Buffer): Buffer {
  let result = Buffer.from(bytes);
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(result.length + 1);
    const length = random.chance(0.8) ? 1 + random.below(8) : 1 + random.below(700);
    const [before, after] = [result.subarray(0, at), result.subarray(at)];
    const kind = random.below(6);
    if (kind === 0) result = Buffer.concat([before, random.bytes(length), after]);
    else if (kind === 1) result = Buffer.concat([before, after.subarray(length)]);
    else if (kind === 2) result = Buffer.concat([before, random.bytes(length), after.subarray(length)]);
    else if (kind === 3) result = Buffer.concat([before, after.subarray(0, length), after]);
    else if (kind === 4) result = Buffer.from(before);
    else if (after.length) after[0] = (after[0] ?? 0) ^ (1 << random.below(8));
  }
  return result;
}

const oddNames = [
  'version',
  'manifest',
  'manifest.sig',
  'header.tar',
  'data/0000.tar',
  '../x',
  '/x',
  '',
  '.',
  'a/b',
  'x\x01',
];
const oddTypes = ['0', '\0', '1', '2', '5', '7', 'x', 'g', 'L', 'K', 'S'];
const oddSizes = [
  '00000000000',
  '77777777777',
  '-0000000001',
  'zzzzzzzzzzz',
  '           ',
  '\x80\0\0\0\0\0\x10\0\0\0\0',
  '\xff'.repeat(11),
];

/** Reorders, drops, doubles, renames or disfigures entries of a tar. */
export function mutateEntries(random: Random, entries: readonly Entry[]): Entry[] {
  const result: Entry[] = entries.map(({ header, content }) => ({
    header: Buffer.from(header),
    content: Buffer.from(content),
  }));
  const at = random.below(result.length);
  const entry = result[at];
  if (!entry) return result;
  const field = (offset: number, length: number, value: string) => {
    entry.header.fill(0, offset, offset + length);
    entry.header.write(value, offset, length, 'latin1');
    if (random.chance(0.9)) summed(entry.header);
  };
  const actions = [
    () => result.splice(at, 1),
    () => result.splice(random.below(result.length + 1), 0, { ...entry }),
    () => result.push(...result.splice(at, 1)),
    () => result.reverse(),
    () => field(0, 100, random.pick(oddNames)),
    () => field(156, 1, random.pick(oddTypes)),
    () => field(124, 12, random.pick(oddSizes)),
    () => field(257, 8, random.pick(['ustar\x0000', 'ustar  \0', '\0\0\0\0\0\0\0\0', 'xxxxxxxx'])),
    () => field(345, 155, random.pick(['prefix', '..', 'p'.repeat(155)])),
    () => result.splice(at, 0, extension(random, entry)),
    () => {
      entry.content = mutateBytes(random, entry.content);
      if (random.chance(0.8)) Object.assign(entry, mended(entry));
    },
  ];
  random.pick(actions)();
  return result;
}

/** A pax or long-name record, sound or not. */
function extension(random: Random, like: Entry): Entry {
  const type = random.pick(['x', 'x', 'L', 'g']);
  const records = [
    '18 path=../../evil\n',
    '12 size=9999\n',
    '11 size=-1\n',
    '99 path=short\n',
    'nonsense',
    '22 GNU.sparse.major=1\n',
    '',
  ];
  const content = Buffer.from(type === 'L' ? random.pick(['name\0', 'n'.repeat(300), '../x\0']) : random.pick(records));
  const header = Buffer.from(like.header);
  header.write(type, 156, 'latin1');
  return mended({ header, content });
}

const oddValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e300,
  '',
  'x',
  '../../x',
  'a\u0000b',
  'ü'.repeat(200),
  [],
  {},
  [[]],
  ['', 1],
  { type: 'x' },
];

/** Replaces, removes, renames or doubles something in a JSON text. */
export function mutateJson(random: Random, text: Buffer): Buffer {
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch {
    return mutateBytes(random, text);
  }
  if (random.chance(0.1)) return Buffer.from('['.repeat(1 + random.below(2000)));
  if (random.chance(0.1)) return mutateBytes(random, text);
  return Buffer.from(JSON.stringify(changed(random, value)) ?? 'undefined');
}

function changed(random: Random, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.2)) return random.pick(oddValues);
  if (Array.isArray(value)) {
    const items: unknown[] = [...(value as unknown[])];
    const at = random.below(items.length + 1);
    const kind = random.below(3);
    if (kind === 0) items.splice(at, 1);
    else if (kind === 1) items.splice(at, 0, random.pick(oddValues));
    else if (items.length) items[at % items.length] = changed(random, items[at % items.length]);
    return items;
  }
  const entries = Object.entries(value);
  const [key, inner] = random.pick([...entries, ['__proto__', { polluted: true }] as const]);
  const others = entries.filter(([name]) => name !== key);
  if (random.chance(0.2)) return Object.fromEntries(others);
  if (random.chance(0.2))
    return Object.fromEntries([...others, [random.pick(['x', 'Type', 'artifact_name', '']), inner]]);
  return Object.fromEntries([...others, [key, changed(random, inner)]]);
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Changes something inside an artifact, and sometimes makes everything above it consistent again. */
export function mutateArtifact(random: Random, artifact: Buffer): Buffer {
  const entries = entriesOf(artifact);
  const kind = random.below(5);
  if (kind === 0) return mutateBytes(random, artifact);
  if (kind === 1) return tarOf(mutateEntries(random, entries));
  if (kind === 2) return tarOf(inside(random, entries, /^manifest/, (content) => manifestLines(random, content)));
  if (kind === 3) return tarOf(consistent(inside(random, entries, /^header/, (content) => innerTar(random, content))));
  return tarOf(inside(random, entries, /^data/, (content) => innerTar(random, content)));
}

function inside(random: Random, entries: readonly Entry[], name: RegExp, change: (content: Buffer) => Buffer): Entry[] {
  const candidates = entries.filter((entry) => name.test(nameOf(entry)));
  if (candidates.length === 0) return mutateEntries(random, entries);
  const chosen = random.pick(candidates);
  return entries.map((entry) => (entry === chosen ? mended({ ...entry, content: change(entry.content) }) : entry));
}

/** Gives the manifest the checksums that the members now have. */
function consistent(entries: readonly Entry[]): Entry[] {
  const digests = new Map(entries.map((entry) => [nameOf(entry), sha256(entry.content)]));
  return entries.map((entry) => {
    if (nameOf(entry) !== 'manifest') return entry;
    const lines = entry.content.toString('latin1').split('\n');
    const text = lines.map((line) => {
      const digest = digests.get(line.slice(66));
      return digest ? `${digest}  ${line.slice(66)}` : line;
    });
    return mended({ ...entry, content: Buffer.from(text.join('\n'), 'latin1') });
  });
}

function manifestLines(random: Random, content: Buffer): Buffer {
  const lines = content.toString('latin1').split('\n');
  const at = random.below(lines.length);
  const odd = [
    '',
    `${'0'.repeat(64)}  data/0000/x`,
    `${'f'.repeat(64)}  data/0001/x`,
    'x',
    `${'A'.repeat(64)}  version`,
  ];
  if (random.chance(0.3)) return mutateBytes(random, content);
  lines.splice(at, random.below(2), random.chance(0.5) ? random.pick(odd) : (lines[at] ?? ''));
  return Buffer.from(lines.join('\n'), 'latin1');
}

function innerTar(random: Random, content: Buffer): Buffer {
  const packed = content[0] === 0x1f && content[1] === 0x8b;
  if (random.chance(0.15)) return mutateBytes(random, content);
  const entries = entriesOf(packed ? gunzipSync(content) : content);
  const json = entries.filter((entry) => /header-info|type-info|meta-data/.test(nameOf(entry)));
  let result: Entry[];
  if (json.length && random.chance(0.6)) {
    const chosen = random.pick(json);
    result = entries.map((entry) =>
      entry === chosen ? mended({ ...entry, content: mutateJson(random, entry.content) }) : entry,
    );
  } else {
    result = mutateEntries(random, entries);
  }
  const tar = random.chance(0.1) ? mutateBytes(random, tarOf(result)) : tarOf(result);
  return packed ? gzipSync(tar) : tar;
}
