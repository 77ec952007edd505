import { RE2JS } from 're2js';
import { CodedError } from '#base/errors';
import type { Check } from '../check.ts';
import { idOf } from './check-layers.ts';

/** Refuses what the schema takes and no device could make: a pattern that is none, a log without a source. */
export function checkChecks(checks: readonly Check[]): void {
  for (const check of checks) {
    const why = problemOf(check);
    if (why !== undefined) throw new CodedError('bad_request', `checks: ${idOf(check)}: ${why}`);
  }
}

function problemOf(check: Check): string | undefined {
  switch (check.type) {
    case 'log':
      if ((check.file === undefined) === (check.journal === undefined)) return 'one of file and journal is wanted';
      return badPattern(check.pattern);
    case 'dbus':
      if (check.pattern === undefined && check.watch === undefined) return 'a pattern or a watch is wanted';
      return badPattern(check.pattern);
    case 'certificate':
      if ((check.file === undefined) === (check.host === undefined)) return 'one of file and host is wanted';
      return undefined;
    case 'process':
      if (check.process === undefined && check.pattern === undefined) return 'a process or a pattern is wanted';
      if (check.min !== undefined && check.max !== undefined && check.min > check.max) return 'min is above max';
      return badPattern(check.pattern);
    case 'http':
      return URL.canParse(check.url) ? undefined : 'url is not a URL';
    case 'service':
    case 'disk':
    case 'memory':
    case 'load':
    case 'temperature':
    case 'network':
    case 'script':
      return undefined;
  }
}

function badPattern(pattern: string | undefined): string | undefined {
  if (pattern === undefined) return undefined;
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch {
    return `pattern ${JSON.stringify(pattern.slice(0, 128))} is no regular expression (RE2: no look-around, no back references)`;
  }
}
