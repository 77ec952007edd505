import type { Command } from 'commander';
import type { AuditEntry } from '#proto/http/users';
import { auditPath } from '#proto/http/paths';
import type { Context } from '../context.ts';
import { count } from '../option.ts';
import { all, pages } from '../paging.ts';

export default function audit(command: Command, context: Context): void {
  command
    .command('list', { isDefault: true })
    .summary('list what was done, newest first (what `patchbay audit` does)')
    .description('List what was done, newest first.')
    .option('--limit <n>', 'no more than these', count, 50)
    .action(async ({ limit }: { limit: number }) => {
      const shape = { action: 'string', actor: 'object', object: 'object', time: 'string' } as const;
      const entries = await all(
        pages<AuditEntry>(await context.http(), auditPath, shape, { what: 'the audit log' }, { limit }),
      );
      context.list(
        entries,
        [
          { head: 'TIME', of: ({ time }) => time },
          { head: 'WHO', of: ({ actor }) => actor.name ?? `${actor.type} ${actor.id}`.trim() },
          { head: 'ACTION', of: ({ action }) => action, paint: (cell) => context.paint('bold', cell) },
          { head: 'ON', of: ({ object }) => `${object.type} ${object.name ?? object.id}` },
          {
            head: 'RESULT',
            of: ({ result }) => result,
            paint: (cell, { result }) => context.paint(result === 'ok' ? 'green' : 'red', cell),
          },
          { head: 'FROM', of: ({ address }) => address ?? '' },
        ],
        'nothing was done yet',
      );
    });
}
