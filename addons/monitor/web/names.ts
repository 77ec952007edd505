import type { PageHost } from '#addon/web';

/** What devices are called; asked for once a page. */
export class Names {
  readonly #host: Pick<PageHost, 'namesOf'>;
  readonly #known = new Map<string, string>();
  constructor(host: Pick<PageHost, 'namesOf'>) {
    this.#host = host;
  }

  /** The id of one that is not known. */
  of(id: string): string {
    return this.#known.get(id) ?? id;
  }

  /** A name that cannot be had is no reason to show nothing. */
  async learn(ids: readonly string[]): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#known.has(id));
    if (unknown.length === 0) return;
    const found = await this.#host.namesOf(unknown).catch(() => new Map<string, string>());
    for (const [id, name] of found) this.#known.set(id, name);
  }
}
