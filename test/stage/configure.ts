// What the add-on configure installs on a device.
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', '..', 'addons', 'configure', 'device');

export const configureFiles = {
  module: join(folder, 'mender-configure'),
  report: join(folder, 'mender-inventory-mender-configure'),
  scripts: join(folder, 'apply-device-config.d'),
  value: join(folder, 'value'),
} as const;

/**
 * Installs it below the folder of a device that `layDevice` has laid; the environment of its client. The settings and what
 * they change stay below that folder too.
 */
export async function layConfigure(device: string): Promise<NodeJS.ProcessEnv> {
  const share = join(device, 'usr', 'share', 'mender');
  await mkdir(join(share, 'modules', 'v3'), { recursive: true });
  await mkdir(join(device, 'etc'), { recursive: true });
  await cp(configureFiles.module, join(share, 'modules', 'v3', 'mender-configure'));
  await cp(configureFiles.report, join(share, 'inventory', 'mender-inventory-mender-configure'));
  const lib = join(device, 'usr', 'lib', 'mender-configure');
  await cp(configureFiles.scripts, join(lib, 'apply-device-config.d'), { recursive: true });
  await cp(configureFiles.value, join(lib, 'value'));
  const data = join(device, 'var', 'lib', 'mender-configure');
  return {
    TEST_CONFIG: join(data, 'device-config.json'),
    TEST_CONFIG_CHECKSUM: join(data, 'device-config-reported.sha256'),
    TEST_APPLY_DIR: join(lib, 'apply-device-config.d'),
    MENDER_CONFIGURE_ROOT: device,
  };
}
