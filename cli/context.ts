import { readFile } from 'node:fs/promises';
import { messageOf } from '#base/errors';
import { failed, usage } from './failure.ts';
import { Http } from './http.ts';
import { painter, type Io } from './io.ts';
import { Profiles, serverAddress } from './profile.ts';
import { table, type Column } from './table.ts';

/** What comes from the environment, read once in `main.ts`. */
export interface Environment {
  readonly server?: string | undefined;
  readonly token?: string | undefined;
  /** Folder of our own files: `$XDG_CONFIG_HOME/patchbay`. */
  readonly configFolder: string;
  /** All of it, for processes that we start. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly server?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly insecure?: boolean;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** What a command is given: its outputs, its server, its end. */
export class Context {
  readonly io: Io;
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly profiles: Profiles;
  /** Of the command, if it is done without an error. */
  exitCode = 0;
  readonly #options: () => GlobalOptions;
  constructor(io: Io, env: Environment, signal: AbortSignal, options: () => GlobalOptions) {
    this.io = io;
    this.env = env;
    this.signal = signal;
    this.profiles = new Profiles(env.configFolder);
    this.#options = options;
  }

  /** Known only once the command line was read. */
  get options(): GlobalOptions {
    return this.#options();
  }

  /** The server that is meant: by option, environment or last login. */
  async server(): Promise<string> {
    const named = this.options.server ?? this.env.server ?? (await this.profiles.current());
    if (!named) throw usage("which server? Run 'patchbay login URL' first, or give --server URL");
    return serverAddress(named);
  }

  /** Requests in the name of whoever is logged in. */
  async http(): Promise<Http> {
    const server = await this.server();
    const token = (await this.#givenToken()) ?? (await this.profiles.of(server))?.token;
    if (!token) throw failed(`you are not logged in to ${server}: run 'patchbay login ${server}'`);
    return this.connect(server, token);
  }

  connect(server: string, token?: string): Http {
    return new Http({ server, token, insecure: this.options.insecure ?? false, signal: this.signal });
  }

  async #givenToken(): Promise<string | undefined> {
    const { token, tokenFile } = this.options;
    if (token) return token;
    if (!tokenFile) return this.env.token;
    try {
      const text = (await readFile(tokenFile, 'utf8')).trim();
      if (!text || /\s/.test(text)) throw failed('it holds no token');
      return text;
    } catch (error) {
      throw failed(`cannot take the token from ${tokenFile}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** A value for scripts (`--json`), or what `human` says of it. */
  show(value: unknown, human: () => string): void {
    this.io.out.write(this.options.json ? `${JSON.stringify(value, null, 2)}\n` : human());
  }

  /** As `show`, a list as a table; `none` is said, on the error output, when it is empty. */
  list<T>(rows: readonly T[], columns: readonly Column<T>[], none: string): void {
    if (this.options.json) this.show(rows, () => '');
    else if (!rows.length) this.note(none);
    else this.io.out.write(table(columns, rows, this.io.out.isTTY ? this.io.out.columns : undefined));
  }

  /** What was done, for a person; a script has its exit code, and its JSON undisturbed. */
  note(line: string): void {
    this.io.err.write(`${line}\n`);
  }

  get paint() {
    return painter(this.io, this.io.out);
  }
}
