import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { partitionsOf, runningPartition, type System } from './partitions.ts';

const of = (RootfsPartA: string, RootfsPartB: string) => partitionsOf({ RootfsPartA, RootfsPartB });

describe('the two partitions', () => {
  it.each([
    ['/dev/mmcblk0p2', '/dev/mmcblk0p3', 2, 3],
    ['/dev/sda10', '/dev/sda11', 10, 11],
    ['ubi0_0', 'ubi0_1', 0, 1],
    ['/dev/ubi1_4', '/dev/ubi1_5', 4, 5],
  ])('are %s and %s', (a, b, numberA, numberB) => {
    const [one, other] = of(a, b);
    expect([one.number, other.number]).toEqual([numberA, numberB]);
    expect(one.device).toMatch(/^\/dev\//);
    expect(one.ubi).toBe(a.includes('ubi'));
  });

  it.each([
    ['', '/dev/sda3', 'RootfsPartA and RootfsPartB are not set'],
    ['/dev/sda2', '/dev/mapper/root', '/dev/mapper/root does not end in the number'],
    ['/dev/sda2', '/dev/sda2', 'have the same number'],
    ['/dev/sda2', '/dev/sdb2', 'have the same number'],
    ['/dev/disk/by-partlabel/patchbay-nowhere', '/dev/sda2', 'there is no /dev/disk/by-partlabel/patchbay-nowhere'],
  ])('are refused: %s and %s', (a, b, words) => {
    expect(() => of(a, b)).toThrow(words);
  });
});

describe('what runs', () => {
  let folder: string;
  let system: System;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'patchbay-system-'));
    system = {
      root: folder,
      commandLine: join(folder, 'cmdline'),
      mounts: join(folder, 'mounts'),
      ubi: join(folder, 'ubi'),
    };
    says('console=ttyS0', 'overlay / overlay rw 0 0\n');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const says = (commandLine: string, mounts = '') => {
    writeFileSync(system.commandLine, `${commandLine}\n`);
    writeFileSync(system.mounts, mounts);
  };
  const running = (a: string, b: string) => runningPartition(of(a, b), system)?.number;

  it('is told by the kernel command line where the root is an overlay; its last word counts', () => {
    says('root=/dev/xyz1 quiet root=/dev/xyz3 ro');
    expect(running('/dev/xyz2', '/dev/xyz3')).toBe(3);
    says('root=/dev/xyz7');
    expect(running('/dev/xyz2', '/dev/xyz3')).toBeUndefined();
    says('root=PARTUUID=patchbay-nowhere');
    expect(running('/dev/xyz2', '/dev/xyz3')).toBeUndefined();
  });

  it.each(['ubi0_1', '/dev/ubi0_1', 'ubi0:root-b'])('is a UBI volume, mounted as %s', (source) => {
    for (const [volume, name] of [
      ['ubi0_0', 'root-a'],
      ['ubi0_1', 'root-b'],
    ] as const) {
      mkdirSync(join(system.ubi, volume), { recursive: true });
      writeFileSync(join(system.ubi, volume, 'name'), `${name}\n`);
    }
    says('quiet', `rootfs / rootfs rw 0 0\n${source} / ubifs ro 0 0\nubi0_0 /data ubifs rw 0 0\n`);
    expect(running('ubi0_0', 'ubi0_1')).toBe(1);
    says(`root=${source}`, 'overlay / overlay rw 0 0\n');
    expect(running('ubi0_0', 'ubi0_1')).toBe(1);
    says('quiet', 'ubi0:other / ubifs ro 0 0\n');
    expect(running('ubi0_0', 'ubi0_1')).toBeUndefined();
  });
});
