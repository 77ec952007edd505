import { afterEach, expect, it, vi } from 'vitest';
import { defineProtocol } from '#proto';
import { LocalBus, type DeviceEnd } from './bus.ts';
import { openInner } from './inner.ts';

afterEach(() => void vi.useRealTimers());

it('H-76 a device that never answers the handshake is given up after a minute, and nothing of the session stays', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const bus = new LocalBus();
  const left: unknown[] = [];
  const device = {
    deviceId: 'one',
    join() {},
    leave: (session: unknown) => left.push(session),
    deliver: () => true,
  } as unknown as DeviceEnd;
  bus.joinDevice(device);
  const asker = { userId: 'ann', userName: 'ann', tokenId: 't', access: 'sessions:transfer' } as never;
  const opened = openInner({ bus, deviceId: 'one', asker, kind: 'echo', protocol: defineProtocol(0x8001, {}) });
  const failed = expect(opened).rejects.toMatchObject({ code: 'timeout', message: 'the device does not answer' });
  await vi.advanceTimersByTimeAsync(60_000);
  await failed;
  expect([[...bus.sessions()].length, left.length]).toEqual([0, 1]);
});
