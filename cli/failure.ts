import { CodedError, codeOf, messageOf } from '#base/errors';

/** Exit codes of the operator's commands. */
export const exit = { done: 0, failed: 1, usage: 2 } as const;

/** The caller asked for something that cannot be: exit code 2. */
export const usage = (message: string) => new CodedError('usage', message);

/** Something did not work: exit code 1. */
export const failed = (message: string, options?: ErrorOptions) => new CodedError('failed', message, options);

/** Something did not work, and that has been said already: exit code 1. */
export const silent = () => new CodedError('silent', 'failed');

/** The person stopped it: exit code 1, nothing to explain. */
export const interrupted = () => new CodedError('interrupted', 'interrupted');

export const exitCodeOf = (error: unknown): number => (codeOf(error) === 'usage' ? exit.usage : exit.failed);

/** One line for a person; with `verbose` all that is known. */
export function report(error: unknown, verbose: boolean): string {
  const line = `error: ${messageOf(error).replaceAll(/\s*\n\s*/g, ' ')}\n`;
  if (!verbose || !(error instanceof Error)) return line;
  const causes: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) causes.push(at.stack ?? at.message);
  return `${line}${causes.join('\ncaused by: ')}\n`;
}
