import { describe, expect, test } from 'vitest';
import {
  applyProvides,
  dependsMismatch,
  matchesClear,
  mergedDepends,
  mergedPayload,
  type ArtifactHeader,
} from './index.ts';

function header(payload: Partial<ArtifactHeader['payload']> = {}, more: Partial<ArtifactHeader> = {}): ArtifactHeader {
  return {
    format: 'mender',
    version: 3,
    name: 'new',
    depends: { device_type: ['board-a'] },
    scripts: [],
    payload: { type: 'x', provides: {}, depends: {}, files: [], ...payload },
    signed: false,
    verified: false,
    augmented: false,
    ...more,
  };
}

describe('what a device provides after an artifact (artifact-format.md §9)', () => {
  const stored = {
    artifact_name: 'old',
    artifact_group: 'stable',
    'rootfs-image.version': '1',
    'rootfs-image.app.version': '2',
    'data.x.version': '3',
  };

  test('is only its name, when the artifact provides and clears nothing', () => {
    expect(applyProvides(stored, header())).toEqual({ artifact_name: 'new' });
  });

  test('is what the artifact provides, when it says nothing of clearing', () => {
    expect(applyProvides(stored, header({ provides: { a: 'b' } }))).toEqual({ artifact_name: 'new', a: 'b' });
  });

  test('keeps what no pattern covers', () => {
    const next = header({ provides: { 'rootfs-image.version': '9' }, clears: ['artifact_group', 'rootfs-image.*'] });
    expect(applyProvides(stored, next)).toEqual({
      artifact_name: 'new',
      'rootfs-image.version': '9',
      'data.x.version': '3',
    });
  });

  test('keeps everything for an empty list of patterns', () => {
    expect(applyProvides(stored, header({ clears: [] }))).toEqual({ ...stored, artifact_name: 'new' });
  });

  test('has the group that the artifact gives', () => {
    expect(applyProvides(stored, header({ clears: ['*'] }, { group: 'beta' }))).toEqual({
      artifact_name: 'new',
      artifact_group: 'beta',
    });
  });

  test('takes keys such as __proto__ for what they are', () => {
    const odd = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
    const after = applyProvides({ toString: 'z' }, header({ provides: odd, clears: [] }));
    expect(Object.keys(after).sort()).toEqual(['__proto__', 'artifact_name', 'constructor', 'toString']);
  });
});

test.each([
  ['*', 'anything.at.all', true],
  ['*', '', true],
  ['', '', true],
  ['', 'a', false],
  ['ab', 'abab', false],
  ['rootfs-image.*', 'rootfs-image.', true],
  ['rootfs-image.*', 'rootfs-image', false],
  ['*.version', 'a.b.version', true],
  ['a*a', 'a', false],
  ['a*b*c', 'a-b-b-c', true],
  ['a*b*c', 'a-c-b', false],
  ['*ab*ab', 'ab', false],
  ['a.c', 'abc', false],
  [String.raw`a\*`, String.raw`a\x`, true],
])('the pattern %j covers the key %j: %s', (pattern, key, covers) => {
  expect(matchesClear(pattern, key)).toBe(covers);
});

test('a pattern of many stars is matched in no time', () => {
  const start = performance.now();
  expect(matchesClear(`${'*a'.repeat(5000)}*b`, 'a'.repeat(50_000))).toBe(false);
  expect(performance.now() - start).toBeLessThan(1000);
});

describe('whether an artifact fits a device', () => {
  const device = { device_type: 'board-a', provides: { artifact_name: 'old', 'rootfs-image.version': '1' } };

  test('it fits when every key has one of the wanted values', () => {
    const next = header({ depends: { 'rootfs-image.version': ['1', '2'] } });
    expect(dependsMismatch(next, device)).toBeUndefined();
  });

  test.each([
    [
      'another type',
      header({}, { depends: { device_type: ['b', 'c'] } }),
      /needs device_type b or c, but the device has board-a/,
    ],
    ['another value', header({ depends: { 'rootfs-image.version': '2' } }), /but the device has 1/],
    ['no such key', header({ depends: { nothing: '2' } }), /has no nothing/],
    ['no key of its own', header({ depends: { toString: 'x' } }), /has no toString/],
    [
      'another artifact',
      header({}, { depends: { device_type: ['board-a'], artifact_name: ['older'] } }),
      /artifact_name older/,
    ],
    ['no group', header({}, { depends: { device_type: ['board-a'], artifact_group: ['g'] } }), /has no artifact_group/],
  ])('it does not when the device has %s', (_, next, reason) => {
    expect(dependsMismatch(next, device)).toMatch(reason);
  });

  test('an empty list of groups asks for nothing', () => {
    const next = header({}, { depends: { device_type: ['board-a'], artifact_group: [], artifact_name: [] } });
    expect(dependsMismatch(next, device)).toBeUndefined();
  });
});

test('what an augmented artifact adds goes first, and meta-data merge level by level (artifact-format.md §7)', () => {
  const augmented = header(
    { provides: { a: '1', b: '1' }, metaData: { keep: 1, deep: { x: 1, y: [1] } }, clears: ['a'] },
    { augment: { type: 'delta', provides: { b: '2' }, depends: { d: '3' }, metaData: { deep: { y: [2], z: 0 } } } },
  );
  expect(mergedPayload(augmented)).toMatchObject({
    type: 'delta',
    provides: { a: '1', b: '2' },
    clears: ['a'],
    metaData: { keep: 1, deep: { x: 1, y: [2], z: 0 } },
  });
  expect(mergedDepends(augmented)).toEqual({ device_type: ['board-a'], d: '3' });
});
