import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ArtifactError, mergedDepends, mergedProvides, openArtifact, type ReadOptions } from './index.ts';

const corpus = new URL('../test/fixtures/artifacts/', import.meta.url);
const { artifacts } = JSON.parse(readFileSync(new URL('index.json', corpus), 'utf8')) as { artifacts: Sample[] };

interface Sample {
  file: string;
  valid: boolean;
  errorKind?: string;
  errorKindAlternatives?: string[];
  verifyKey?: string;
  expected: {
    version: number;
    name: string;
    group?: string;
    deviceTypes: string[];
    signed: boolean;
    augmented: boolean;
    scripts: { name: string; size: number; sha256: string }[];
    payloads: { type: string | null; files: { name: string; size: number; sha256: string }[] }[];
    provides?: Record<string, string>;
    depends?: Record<string, string | string[]>;
    clearsProvides?: string[];
  };
}

async function* inPieces(bytes: Uint8Array, size: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const next = at + Math.max(1, size());
    yield bytes.subarray(at, next);
    at = next;
  }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function readAll(source: AsyncIterable<Uint8Array>, options: ReadOptions) {
  const artifact = await openArtifact(source, { allowAugmented: true, allowVersion2: true, ...options });
  const found = [];
  for await (const { name, size, content } of artifact.files()) {
    const hash = createHash('sha256');
    for await (const chunk of content) hash.update(chunk);
    found.push({ name, size, sha256: hash.digest('hex') });
  }
  return { header: artifact.header, found };
}

const feeds = {
  whole: () => Number.MAX_SAFE_INTEGER,
  'byte by byte': () => 1,
  'in pieces of any size': pieces(1),
};

/** Sizes that look random and are the same in each run. */
function pieces(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) % 1500;
}

describe.each(Object.entries(feeds))('the corpus, fed %s', (_, size) => {
  for (const sample of artifacts) {
    const bytes = readFileSync(new URL(sample.file, corpus));
    const options = sample.verifyKey ? { keys: [readFileSync(new URL(sample.verifyKey, corpus), 'utf8')] } : {};
    if (sample.valid) {
      test(`${sample.file} is read exactly`, async () => {
        const { header, found } = await readAll(inPieces(bytes, size), options);
        const { expected } = sample;
        expect(header).toMatchObject({
          version: expected.version,
          name: expected.name,
          signed: expected.signed,
          verified: sample.verifyKey !== undefined,
          augmented: expected.augmented,
          payload: { type: expected.payloads[0]?.type },
        });
        expect(header.group ?? '').toBe(expected.group ?? '');
        expect(header.depends.device_type).toEqual(expected.deviceTypes);
        const scripts = header.scripts.map(({ name, content }) => ({
          name,
          size: content.length,
          sha256: sha256(content),
        }));
        expect(scripts).toEqual(expect.arrayContaining(expected.scripts));
        expect(scripts.length).toBe(expected.scripts.length);
        expect(found).toEqual(expected.payloads[0]?.files.map(({ name, size, sha256 }) => ({ name, size, sha256 })));
        if (!expected.provides) return;
        expect(mergedProvides(header)).toEqual(expected.provides);
        expect(mergedDepends(header)).toEqual(expected.depends);
      });
    } else {
      test(`${sample.file} is refused: ${sample.errorKind}`, async () => {
        const failure = await readAll(inPieces(bytes, size), options).then(
          () => 'accepted',
          (error: unknown) => error,
        );
        expect(failure).toBeInstanceOf(ArtifactError);
        const { code, message } = failure as ArtifactError;
        expect([sample.errorKind, ...(sample.errorKindAlternatives ?? [])]).toContain(code);
        expect(message).toMatch(/^[^\n]{10,300}$/);
      });
    }
  }
});
