import { CodedError, codeOf, messageOf } from '#base/errors';
import { ArtifactError } from '#artifact';

/** Exit codes as users of mender-artifact know them (`artifact-format.md` §17.1). */
export const exit = {
  done: 0,
  failed: 1,
  unsupportedVersion: 2,
  cannotCreate: 3,
  unknownCommand: 3,
  cannotOpen: 4,
  invalid: 5,
  unsupportedFeature: 6,
  system: 7,
} as const;

/** An error that already knows how the command ends. */
export class Failure extends CodedError {
  readonly exit: number;
  constructor(exit: number, message: string, options?: ErrorOptions) {
    super('failed', message, options);
    this.exit = exit;
  }
}

/** A command line that cannot be followed. */
export const misuse = (message: string): Failure => new Failure(exit.failed, message);

/** The exit code of whatever stopped a command. */
export function exitOf(error: unknown): number {
  if (error instanceof Failure) return error.exit;
  return codeOf(error) === 'ENOSPC' ? exit.system : exit.failed;
}

/** Runs what reads the artifact `path`: what goes wrong then names it, and ends the command as `validate` and `dump` do. */
export async function reading<T>(path: string, work: () => Promise<T>, invalid: number = exit.invalid): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ArtifactError)
      throw new Failure(codeOfArtifact(error, invalid), `${path}: ${error.message}`, { cause: error });
    if (isOpenError(error))
      throw new Failure(exit.cannotOpen, `${path}: cannot be opened: ${reason(error)}`, { cause: error });
    throw error;
  }
}

/** Runs what writes to `path`: what the file system says then names it. */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const said = error as NodeJS.ErrnoException;
    if (said.syscall === 'open' && said.path?.startsWith(path))
      throw new Failure(exit.cannotCreate, `${path}: cannot be created: ${reason(error)}`, { cause: error });
    throw error;
  }
}

function codeOfArtifact(error: ArtifactError, invalid: number): number {
  if (error.code === 'unsupported-version') return exit.unsupportedVersion;
  return error.code === 'unsupported-feature' && invalid === exit.invalid ? exit.unsupportedFeature : invalid;
}

function isOpenError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall === 'open' || codeOf(error) === 'EISDIR';
}

/** The words of a system error, without the call and the path that Node puts around them. */
export function reason(error: unknown): string {
  return /^[A-Z0-9]+: ([^,]+)/.exec(messageOf(error))?.[1] ?? messageOf(error);
}
