import type { Check, ReportedCheck } from '../check.ts';
import type { Given } from './assigned.ts';
import { definitionOf, type Definition } from './definitions.ts';
import type { MonitorConfig } from './monitor.ts';
import { refusalOf } from './refusal.ts';

/** What comes of the checks of the server on this device, whose owner may refuse some. */
export function definitionsOf({ version, checks }: Given, config: MonitorConfig): Definition[] {
  return checks.map((value) => {
    const definition = definitionOf(value, version);
    if (!('check' in definition.what)) return definition;
    const problem = refusalOf(definition.what.check, config);
    return problem === undefined ? definition : { ...definition, what: { problem } };
  });
}

/** As the server is told of a check (add-ons.md §6.6). */
export function reported({ type, name, origin, version, what }: Definition): ReportedCheck {
  const common = {
    name: `${name}.sh`,
    type,
    status: 'problem' in what ? 'refused' : 'enabled',
    origin,
    ...(version === undefined ? {} : { version }),
    ...('problem' in what ? { refused: what.problem.slice(0, 1024) } : {}),
  };
  return 'check' in what ? { ...common, ...details(what.check, what.log?.command) } : common;
}

function details(check: Check, command: string | undefined): object {
  switch (check.type) {
    case 'service':
      return { service: { name: check.unit ?? check.name, type: check.kind ?? 'systemd' } };
    case 'log':
      return {
        log: {
          pattern: check.pattern,
          path: command === undefined ? (check.file ?? `journal:${check.journal}`) : `@${command}`,
          expire_seconds: check.expires ?? 0,
        },
      };
    case 'dbus':
      return {
        dbus: {
          name: check.name,
          pattern: check.pattern ?? '',
          watch: check.watch ?? '',
          alert_expiration: check.expires ?? 0,
        },
      };
    default: {
      const { type, name: _, ...rest } = check;
      return { [type]: rest };
    }
  }
}
