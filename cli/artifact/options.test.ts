import { describe, expect, test } from 'vitest';
import { parseSize } from './file-size.ts';
import { pairs, wanted } from './pairs.ts';
import { softwareOf } from './software.ts';

test.each([
  ['500', 500],
  ['10KB', 10_000],
  ['1.5gb', 1_500_000_000],
  ['2 TB', 2e12],
  ['7B', 7],
])('a size of %s is %i bytes', (text, bytes) => {
  expect(parseSize('--max-artifact-size', text)).toBe(bytes);
});

test.each(['', 'x', '-1KB', '10KiB', '1e3', '1,5GB'])("a size of '%s' is refused", (text) => {
  expect(() => parseSize('--max-artifact-size', text)).toThrow(/^--max-artifact-size .*: not a size/);
});

test('a pair is cut at its first colon', () => {
  expect(pairs('-p', ['a:b:c', 'd:'])).toEqual({ a: 'b:c', d: '' });
  expect(() => pairs('-p', [':x'])).toThrow('-p :x: must be KEY:VALUE');
});

test('a key that is given twice to depends wants one of both values', () => {
  expect(wanted('-d', ['a:1', 'b:2', 'a:3'])).toEqual({ a: ['1', '3'], b: '2' });
});

describe('what an artifact provides and clears by default (artifact-format.md §9)', () => {
  const options = { artifactName: 'rel', defaultSoftwareVersion: true, defaultClearsProvides: true };

  test.each([
    [
      'a root file system',
      {},
      undefined,
      { 'rootfs-image.version': 'rel' },
      ['artifact_group', 'rootfs_image_checksum', 'rootfs-image.*'],
    ],
    ['a module', {}, 'mod', { 'rootfs-image.mod.version': 'rel' }, ['rootfs-image.mod.*']],
    [
      'a named one',
      { softwareName: 'app', softwareVersion: '7' },
      'mod',
      { 'rootfs-image.app.version': '7' },
      ['rootfs-image.app.*'],
    ],
    ['another place', { softwareFilesystem: 'data' }, undefined, { 'data.version': 'rel' }, ['data.*']],
    [
      'given patterns, which come first',
      { clearsProvides: ['x', 'rootfs-image.mod.*'] },
      'mod',
      { 'rootfs-image.mod.version': 'rel' },
      ['x', 'rootfs-image.mod.*'],
    ],
    [
      'an explicit version, which wins',
      { provides: ['rootfs-image.mod.version:9'] },
      'mod',
      { 'rootfs-image.mod.version': '9' },
      ['rootfs-image.mod.*'],
    ],
    ['no defaults', { defaultSoftwareVersion: false }, 'mod', {}, undefined],
    [
      'no patterns by default',
      { defaultClearsProvides: false },
      'mod',
      { 'rootfs-image.mod.version': 'rel' },
      undefined,
    ],
  ])('%s', (_, given, name, provides, clears) => {
    const made = softwareOf({ ...options, ...given }, 'rootfs-image', name);
    expect(made.provides).toEqual(provides);
    expect(made.clears).toEqual(clears);
  });
});
