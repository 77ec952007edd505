/** An error with a stable code. Rooms throw it; each edge (HTTP, socket, D-Bus, exit code) maps the code once. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The text a person can use: the message of an error, or the value itself. Never a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Where something went wrong that was not to: for a log, never for a person. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The code of a CodedError or of a Node system error (`ENOENT`), else undefined. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
