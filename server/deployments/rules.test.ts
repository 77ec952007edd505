import { describe, expect, it } from 'vitest';
import type { Artifact } from '#proto/http/deployments';
import { type Asker, choose } from './choose.ts';
import { countersOf, deploymentStatusOf, statusesOf } from './lifecycle.ts';
import { isTime, logText } from './log-text.ts';

function artifact(id: string, more: Partial<Artifact> = {}): Artifact {
  const types = more.device_types_compatible ?? ['pi'];
  return {
    id,
    name: 'r2',
    description: '',
    device_types_compatible: types,
    info: { format: 'mender', version: 3 },
    signed: false,
    updates: [],
    artifact_provides: {},
    artifact_depends: { device_type: types },
    clears_artifact_provides: [],
    size: 100,
    modified: '',
    ...more,
  };
}
const asker = (more: Partial<Asker> = {}): Asker => ({ artifactName: 'r1', deviceType: 'pi', provides: {}, ...more });
const depending = (id: string, depends: Record<string, string | string[]>, more: Partial<Artifact> = {}) =>
  artifact(id, { artifact_depends: { device_type: ['pi'], ...depends }, ...more });

describe('the artifact for a device (§3.3)', () => {
  it('is the smallest of those for its type', () => {
    const artifacts = [
      artifact('a', { size: 300 }),
      artifact('b', { size: 200 }),
      artifact('c', { device_types_compatible: ['x'], size: 1 }),
    ];
    expect(choose(artifacts, asker(), false)).toMatchObject({ artifact: { id: 'b' } });
  });

  it('is none when the type is not there, and says for which it is', () => {
    expect(choose([artifact('a', { device_types_compatible: ['x', 'y'] })], asker(), false)).toEqual({
      reason: 'release r2 is for x, y, but the device is a pi',
    });
    expect(choose([], asker(), false)).toEqual({ reason: 'the release has no artifact any more' });
    const many = Array.from({ length: 100 }, (_, at) => `device-type-${at}`);
    const { reason } = choose([artifact('a', { device_types_compatible: many })], asker(), false) as { reason: string };
    expect(reason.length).toBe(200);
  });

  it('is passed over when the device does not provide what it depends on', () => {
    const small = depending('small', { 'rootfs-image.checksum': ['aa', 'bb'] }, { size: 10 });
    const artifacts = [artifact('full'), small];
    const id = (provides: Record<string, string>) => choose(artifacts, asker({ provides }), false);
    expect(id({ 'rootfs-image.checksum': 'bb' })).toMatchObject({ artifact: { id: 'small' } });
    expect(id({ 'rootfs-image.checksum': 'cc' })).toMatchObject({ artifact: { id: 'full' } });
    expect(id({})).toMatchObject({ artifact: { id: 'full' } });
    expect(choose([small], asker({ provides: {} }), false)).toEqual({
      reason: 'artifact r2 needs rootfs-image.checksum aa or bb, but the device has no rootfs-image.checksum',
    });
  });

  it('is judged by what a device has said, when it asks by GET', () => {
    const silent = { artifactName: 'r1', deviceType: 'pi' };
    expect(choose([depending('a', { 'x.version': '7' })], silent, false)).toMatchObject({ artifact: { id: 'a' } });
    expect(choose([depending('a', { artifact_name: ['r0'] })], silent, false)).toEqual({
      reason: 'artifact r2 needs artifact_name r0, but the device has r1',
    });
  });

  it('is not sent to a device that has it, unless it is forced', () => {
    const upgrade = depending('a', { artifact_name: ['r1'] });
    expect(choose([upgrade], asker({ artifactName: 'r2' }), false)).toEqual({ installed: true });
    expect(choose([artifact('a')], asker({ artifactName: 'r2' }), true)).toMatchObject({ artifact: { id: 'a' } });
    expect(choose([upgrade], asker({ artifactName: 'r2' }), true)).toHaveProperty('reason');
  });

  it('is not taken for another by keys of the language', () => {
    expect(choose([depending('a', { constructor: 'x', toString: 'y' })], asker(), false)).toHaveProperty('reason');
  });
});

describe('the status of a deployment (§3.4)', () => {
  const status = (max: number, counters: Record<string, number>) =>
    deploymentStatusOf(countersOf(Object.entries(counters).map(([name, count]) => ({ status: name, count }))), max);
  it('is pending, in progress, finished', () => {
    expect(status(2, { pending: 2 })).toBe('pending');
    expect(status(2, { pending: 1, downloading: 1 })).toBe('inprogress');
    expect(status(2, { pending: 1, success: 1 })).toBe('inprogress');
    for (const final of ['success', 'failure', 'already-installed', 'noartifact', 'decommissioned', 'aborted'])
      expect(status(2, { [final]: 1, success: final === 'success' ? 2 : 1 })).toBe('finished');
  });
});

describe('a status filter (§2.2)', () => {
  it('is a status, or one of three groups of them', () => {
    expect(statusesOf('success')).toEqual(['success']);
    expect(statusesOf('pause')).toHaveLength(3);
    expect([...(statusesOf('active') ?? []), ...(statusesOf('finished') ?? [])]).toHaveLength(13);
    for (const word of ['', 'constructor', 'Success', '__proto__']) expect(statusesOf(word)).toBeUndefined();
  });
});

describe('a log as text (§2.2)', () => {
  it('has times in UTC with the fraction that the device gave', () => {
    const line = (timestamp: string) => logText([{ timestamp, level: 'info', message: 'hello' }]);
    expect(line('2026-01-02T03:04:05Z')).toBe('2026-01-02 03:04:05 +0000 UTC info: hello\n');
    expect(line('2026-01-02T03:04:05.120Z')).toBe('2026-01-02 03:04:05.12 +0000 UTC info: hello\n');
    expect(line('2026-01-02T03:04:05.123456789+02:00')).toBe('2026-01-02 01:04:05.123456789 +0000 UTC info: hello\n');
  });
  it('has times by RFC 3339 only', () => {
    for (const good of ['2026-01-02T03:04:05Z', '2026-01-02t03:04:05.1z', '2026-12-31 23:59:59-11:30'])
      expect(isTime(good)).toBe(true);
    for (const bad of ['', 'now', '2026-01-02', '2026-13-02T03:04:05Z', '2026-01-02T03:04:05', '2026-01-02T25:04:05Z'])
      expect(isTime(bad)).toBe(false);
  });
});
