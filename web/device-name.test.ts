import { expect, it } from 'vitest';
import type { Attribute } from '#proto/http/devices';
import { deviceName, identityOf, softwareOf } from './device-name.ts';

const device = { id: 'd-1', identity_data: { mac: '52:54:00:00:00:01' } };
const told = (...attributes: Attribute[]) => ({ attributes });

it('a device has the name somebody gave it, else its host name, else its identity', () => {
  const hostname: Attribute = { name: 'hostname', value: 'kiosk-7', scope: 'inventory' };
  expect(deviceName(device, told(hostname, { name: 'name', value: 'Lobby', scope: 'tags' }))).toBe('Lobby');
  expect(deviceName(device, told(hostname))).toBe('kiosk-7');
  expect(deviceName(device, undefined)).toBe('52:54:00:00:00:01');
  expect(deviceName({ id: 'd-1', identity_data: {} }, undefined)).toBe('d-1');
});

it('an identity of several keys shows them all', () => {
  expect(identityOf({ identity_data: { mac: 'a', serial: 5 } })).toBe('mac=a serial=5');
});

it('what is installed is found under the name that old clients use too', () => {
  expect(softwareOf(told({ name: 'rootfs-image.version', value: 'v2', scope: 'inventory' }))).toBe('v2');
  expect(softwareOf(told({ name: 'artifact_name', value: 'v3', scope: 'inventory' }))).toBe('v3');
});
