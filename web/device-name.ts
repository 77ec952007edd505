import type { Device, InventoryDevice } from '#proto/http/devices';
import { attributeOf } from './api/inventory.ts';

/** What tells the device from others: `mac=52:54:00:…`, or the value alone of an identity with one key. */
export function identityOf(device: Pick<Device, 'identity_data'>): string {
  const entries = Object.entries(device.identity_data).filter(([key]) => key !== 'status');
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  if (entries.length === 1 && entries[0]) return text(entries[0][1]);
  return entries.map(([key, value]) => `${key}=${text(value)}`).join(' ');
}

/** A name for a person: the one somebody gave it, the one it gives itself, or else its identity. */
export function deviceName(
  device: Pick<Device, 'id' | 'identity_data'>,
  inventory: Pick<InventoryDevice, 'attributes'> | undefined,
): string {
  return (
    attributeOf(inventory, 'tags', 'name') ??
    attributeOf(inventory, 'inventory', 'hostname') ??
    (identityOf(device) || device.id)
  );
}

/** The same of what the inventory alone knows: an identity is among its attributes. */
export function nameOfKnown(device: Pick<InventoryDevice, 'id' | 'attributes'>): string {
  const identity = device.attributes
    .filter(({ scope }) => scope === 'identity')
    .map(({ name, value }) => [name, value]);
  return deviceName({ id: device.id, identity_data: Object.fromEntries(identity) as Device['identity_data'] }, device);
}

/** What is installed, by the names that clients of any age report it under. */
export const softwareOf = (inventory: Pick<InventoryDevice, 'attributes'> | undefined): string | undefined =>
  attributeOf(inventory, 'inventory', 'artifact_name', 'rootfs-image.version');
