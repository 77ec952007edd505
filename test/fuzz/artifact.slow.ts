// Altered artifacts: whatever is done to one, the reader refuses it with a reason or reads the very same thing. It never
// crashes, hangs, or takes memory without bound, and no altered byte of a payload is ever taken for whole.
import { createHash, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ArtifactError, artifactErrorCodes, openArtifact, type ReadOptions } from '#artifact';
import { parseJson } from '../../artifact/json.ts';
import { mutateArtifact, mutateBytes, mutateJson } from './mutate.ts';
import { Random } from './random.ts';

interface Sample {
  readonly file: string;
  readonly valid: boolean;
  readonly verifyKey?: string;
  readonly bytes: Buffer;
  readonly keys: readonly string[] | undefined;
}

const corpus = new URL('../fixtures/artifacts/', import.meta.url);
const { artifacts } = JSON.parse(readFileSync(new URL('index.json', corpus), 'utf8')) as { artifacts: Sample[] };
// xz is left to the shorter test below: its decoder is too slow to start 20 000 times.
const samples = artifacts
  .filter(({ valid, file }) => valid && !/lzma|zeros|mixed/.test(file))
  .map((sample) => ({
    ...sample,
    bytes: readFileSync(new URL(sample.file, corpus)),
    keys: sample.verifyKey ? [readFileSync(new URL(sample.verifyKey, corpus), 'utf8')] : undefined,
  }));

async function* inPieces(bytes: Uint8Array, random: Random): AsyncGenerator<Uint8Array> {
  const most = random.pick([7, 512, 4096, 1 << 20]);
  for (let at = 0; at < bytes.length;) {
    const next = at + 1 + random.below(most);
    yield bytes.subarray(at, next);
    at = next;
  }
}

/** What an artifact says and holds, without what no checksum covers. */
async function facts(bytes: Buffer, keys: readonly string[] | undefined, random: Random): Promise<string> {
  const options: ReadOptions = { allowAugmented: true, allowVersion2: true, ...(keys ? { keys } : {}) };
  const artifact = await openArtifact(inPieces(bytes, random), options);
  const files = [];
  for await (const { name, size, checksum, content } of artifact.files()) {
    const hash = createHash('sha256');
    for await (const chunk of content) hash.update(chunk);
    expect(hash.digest('hex')).toBe(checksum);
    files.push({ name, size, checksum });
  }
  const { scripts, ...header } = artifact.header;
  const digests = scripts.map(({ name, content }) => [name, createHash('sha256').update(content).digest('hex')]);
  // No checksum covers the order of payload files, and it means nothing.
  return JSON.stringify({ header, digests, files: files.sort((a, b) => (a.name < b.name ? -1 : 1)) });
}

/** One case. Returns whether the altered artifact was taken. */
async function runCase(seed: number, pool: readonly Sample[] = samples): Promise<boolean> {
  const random = new Random(seed);
  const sample = random.pick(pool);
  const raw = random.chance(0.2);
  const altered = raw ? mutateBytes(random, sample.bytes) : mutateArtifact(random, sample.bytes);
  const stop = new AbortController();
  const late = pause(10_000, 'late' as const, { signal: stop.signal }).catch(() => 'late' as const);
  try {
    const outcome = await Promise.race([facts(altered, sample.keys, random), late]);
    expect(outcome, `seed ${seed}: hangs on ${sample.file}`).not.toBe('late');
    // Only where a checksum or a signature covers everything must it be the same thing.
    if (raw || sample.keys)
      expect(outcome, `seed ${seed}: ${sample.file}`).toBe(await facts(sample.bytes, sample.keys, new Random(1)));
    return true;
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw new Error(`seed ${seed}: ${sample.file}`, { cause: error });
    expect(artifactErrorCodes, `seed ${seed}`).toContain(error.code);
    expect(error.message, `seed ${seed}`).toMatch(/^[^\n\0]{5,400}$/u);
    return false;
  } finally {
    stop.abort();
  }
}

const MiB = 1024 * 1024;

test(
  '20 000 altered artifacts are refused with a reason, or read as what they were',
  { timeout: 900_000 },
  async () => {
    for (let seed = 0; seed < 200; seed++) await runCase(seed);
    const before = process.memoryUsage().rss;
    let taken = 0;
    for (let seed = 1000; seed < 21_000; seed++) taken += Number(await runCase(seed));
    // If nearly nothing is taken the mutations are too coarse to say much.
    expect(taken).toBeGreaterThan(200);
    expect(taken).toBeLessThan(12_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MiB);
  },
);

test('more altered artifacts, other ones each time', { timeout: 900_000 }, async () => {
  const seconds = Number(process.env['PATCHBAY_FUZZ_SECONDS'] ?? 60);
  const first = randomInt(2 ** 31);
  const end = Date.now() + seconds * 1000;
  for (let seed = first; Date.now() < end; seed++) await runCase(seed);
});

test('altered xz artifacts are refused with a reason, or read as what they were', { timeout: 300_000 }, async () => {
  const pool = artifacts
    .filter(({ valid, file }) => valid && /lzma|mixed/.test(file))
    .map((sample) => ({ ...sample, bytes: readFileSync(new URL(sample.file, corpus)), keys: undefined }));
  for (let seed = 1; seed <= 500; seed++) await runCase(seed, pool);
});

test('altered JSON is parsed or refused, however deep it is', () => {
  const text = Buffer.from('{"a":[1,{"b":"c"}],"d":{"e":null},"artifact_depends":{"device_type":["x"]}}');
  for (let seed = 1; seed <= 20_000; seed++) {
    const random = new Random(seed);
    try {
      parseJson(mutateJson(random, text), 'meta-data', 'header-invalid', 200);
    } catch (error) {
      expect(error, `seed ${seed}`).toBeInstanceOf(ArtifactError);
    }
  }
  expect(() =>
    parseJson(Buffer.from(`${'['.repeat(400_000)}${']'.repeat(400_000)}`), 'm', 'header-invalid', 200),
  ).toThrow(/deeper/);
});
