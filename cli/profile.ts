import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, messageOf } from '#base/errors';
import { failed } from './failure.ts';

/** What is remembered of a server that somebody logged in to. */
export interface Login {
  readonly user: string;
  readonly token: string;
}

interface Content {
  readonly current?: string | undefined;
  readonly servers: Readonly<Record<string, Login>>;
}

/** Logins by server, in one file that only its owner can read. */
export class Profiles {
  readonly file: string;
  /** `folder`: `$XDG_CONFIG_HOME/patchbay`. */
  constructor(folder: string) {
    this.file = join(folder, 'logins.json');
  }

  /** The server of the last login. */
  async current(): Promise<string | undefined> {
    return (await this.#read()).current;
  }

  async of(server: string): Promise<Login | undefined> {
    const { servers } = await this.#read();
    return Object.hasOwn(servers, server) ? servers[server] : undefined;
  }

  async set(server: string, login: Login): Promise<void> {
    const { servers } = await this.#read();
    await this.#write({ current: server, servers: { ...servers, [server]: login } });
  }

  async forget(server: string): Promise<void> {
    const { current, servers } = await this.#read();
    const left = Object.fromEntries(Object.entries(servers).filter(([name]) => name !== server));
    await this.#write({ current: current === server ? undefined : current, servers: left });
  }

  async #read(): Promise<Content> {
    let text: string;
    try {
      text = await readFile(this.file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { servers: {} };
      throw failed(`cannot read ${this.file}: ${messageOf(error)}`, { cause: error });
    }
    const content = parse(text);
    if (!content) throw failed(`${this.file} is damaged: remove it and log in again`);
    return content;
  }

  /** Whole or not at all: a second file takes the first one's place. */
  async #write(content: Content): Promise<void> {
    const fresh = `${this.file}.${process.pid}`;
    try {
      await mkdir(dirname(this.file), { recursive: true, mode: 0o700 });
      await rm(fresh, { force: true });
      await using file = await open(fresh, 'wx', 0o600);
      await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
      await file.sync();
      await rename(fresh, this.file);
    } catch (error) {
      await rm(fresh, { force: true });
      throw failed(`cannot store the login in ${this.file}: ${messageOf(error)}`, { cause: error });
    }
  }
}

function parse(text: string): Content | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { current, servers } = (value ?? {}) as { current?: unknown; servers?: unknown };
  if (!servers || typeof servers !== 'object' || (current !== undefined && typeof current !== 'string'))
    return undefined;
  for (const login of Object.values(servers) as Partial<Login>[]) {
    if (typeof login?.user !== 'string' || typeof login.token !== 'string') return undefined;
  }
  return { current, servers: servers as Record<string, Login> };
}

/** A server's address as it is compared and stored: scheme, host, port and path, no slash at the end. */
export function serverAddress(text: string): string {
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(address)) throw failed(`'${text}' is no server address: write it as https://HOST[:PORT]`);
  const url = new URL(address);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw failed(`'${text}' is no server address: it begins with https:// or http://`);
  }
  if (url.username || url.password) throw failed(`a server address carries no user: give it by --user`);
  return (url.origin + url.pathname).replace(/\/+$/, '');
}
