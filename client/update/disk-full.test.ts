import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runClient } from '../daemon.ts';
import { paths } from '../places.ts';
import { makeArtifact } from '../rig/artifact.ts';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { ScriptedServer } from '../rig/server.ts';
import { describeWhere, mountsMissing } from '../rig/where.ts';

describeWhere('UC-91 a full disk', mountsMissing(), () => {
  let server: ScriptedServer;
  let device: RigDevice;
  beforeEach(async () => {
    process.env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/nonexistent/bus';
    server = await ScriptedServer.open();
    device = new RigDevice({ ServerURL: server.url });
    mkdirSync(device.places.store, { recursive: true });
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', device.places.store]);
    device.write(paths.deviceType(device.places), 'device_type=rig\n');
    device.installed('release-1');
  });
  afterEach(() => {
    server.close();
    spawnSync('umount', ['-l', device.places.store]);
    device[Symbol.dispose]();
  });

  it(
    'while payload files are stored: failure with the old name, tree gone, and the next update works',
    { timeout: 60_000 },
    async () => {
      const stop = new AbortController();
      const log = new RigLog();
      server.deployment = { id: 'big', artifact: makeArtifact({ files: { big: 'x'.repeat(2_000_000) } }) };
      const client = runClient(device.options(log), stop.signal);
      await log.until('deployment closed');
      expect(log.text()).toContain('ENOSPC');
      expect(server.reports).toEqual(['downloading', 'failure']);
      expect(device.record().artifactName).toBe('release-1');
      expect(existsSync(paths.tree(device.places))).toBe(false);
      stop.abort();
      await client;
      const nextStop = new AbortController();
      const nextLog = new RigLog();
      server.deployment = { id: 'small', artifact: makeArtifact() };
      const next = runClient(device.options(nextLog), nextStop.signal);
      await nextLog.until('deployment closed');
      nextStop.abort();
      await next;
      expect(server.reports.at(-1)).toBe('success');
      expect(device.record().artifactName).toBe('release-2');
    },
  );
});
