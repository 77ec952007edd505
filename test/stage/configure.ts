// What the add-on configure installs on a device.
import { cp } from 'node:fs/promises';
import { join } from 'node:path';

/** `PATCHBAY_CONFIGURE`: another one of the same layout, such as the original's. */
const folder =
  process.env['PATCHBAY_CONFIGURE'] ?? join(import.meta.dirname, '..', '..', 'addons', 'configure', 'device');

export const configureFiles = {
  module: join(folder, 'usr/share/mender/modules/v3/mender-configure'),
  report: join(folder, 'usr/share/mender/inventory/mender-inventory-mender-configure'),
  scripts: join(folder, 'usr/lib/mender-configure/apply-device-config.d'),
  value: join(folder, 'usr/lib/mender-configure/value'),
} as const;

/**
 * Installs it below the folder of a device that `layDevice` has laid; the environment of its client. The settings and what
 * they change stay below that folder too.
 */
export async function layConfigure(device: string): Promise<NodeJS.ProcessEnv> {
  await cp(folder, device, { recursive: true });
  const data = join(device, 'var', 'lib', 'mender-configure');
  return {
    TEST_CONFIG: join(data, 'device-config.json'),
    TEST_CONFIG_CHECKSUM: join(data, 'device-config-reported.sha256'),
    TEST_APPLY_DIR: join(device, 'usr', 'lib', 'mender-configure', 'apply-device-config.d'),
    MENDER_CONFIGURE_ROOT: device,
  };
}
