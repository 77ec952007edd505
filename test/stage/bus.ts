import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Program } from './program.ts';

/** A system bus of a device's own: nothing of the machine's bus is touched, and the bus name can be taken once per device. */
export async function startBus(folder: string): Promise<Program & { address: string }> {
  const config = join(folder, 'bus.conf');
  const socket = join(folder, 'bus');
  await writeFile(
    config,
    `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`,
  );
  const bus = new Program('dbus-daemon', 'dbus-daemon', [`--config-file=${config}`, '--nofork', '--print-address']);
  await bus.said(/unix:path=/);
  return Object.assign(bus, { address: `unix:path=${socket}` });
}
