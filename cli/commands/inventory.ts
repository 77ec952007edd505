import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { findDevice } from '../find-device.ts';

export default function inventory(command: Command, context: Context): void {
  command
    .command('show')
    .description('Show what a device reported and what is known of it.')
    .argument('<device>', 'id, name (host name or identity value) or a prefix that only one device has')
    .option('--scope <scope>', 'only identity, inventory, system, monitor or tags')
    .action(async (wanted: string, { scope }: { scope?: string }) => {
      const device = await findDevice(await context.http(), wanted);
      const rows = Object.entries(device.attributes)
        .filter(([name]) => !scope || name === scope)
        .flatMap(([name, values]) => Object.entries(values).map(([key, value]) => ({ scope: name, name: key, value })))
        .sort((a, b) => a.scope.localeCompare(b.scope) || a.name.localeCompare(b.name));
      context.list(
        rows,
        [
          { head: 'SCOPE', of: (row) => row.scope, paint: (cell) => context.paint('dim', cell) },
          { head: 'NAME', of: (row) => row.name },
          { head: 'VALUE', of: ({ value }) => (Array.isArray(value) ? value.join(', ') : String(value)) },
        ],
        'it has reported nothing',
      );
    });
}
