import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MonitorStage } from './stage.testing.ts';

let stage: MonitorStage;
beforeEach(async () => {
  stage = await MonitorStage.start();
});
afterEach(() => stage[Symbol.asyncDispose]());

describe('a check of a disk', () => {
  it('says that it is too full, once, and that it is well again with the same name', async () => {
    await stage.check('disk_root', 'DISK_PATH="/"\nDISK_PERCENT=0\n');
    stage.run();
    const [alert] = await stage.server.count(1);
    expect(alert).toMatchObject({
      level: 'CRITICAL',
      check: 'disk_root',
      name: "Disk storage has grown to fill more than 0% of the disk '/'",
      subject: { name: '/', type: 'disk', status: 'DISKUSAGE_USAGE_WARNING' },
    });
    expect(Math.abs(Date.parse(alert!.timestamp) - Date.now())).toBeLessThan(60_000);
  });
});
