import type { Query, QueryClient, QueryKey } from '@tanstack/react-query';

/** Answers that one burst of events makes stale are asked for once, this many ms after its first. */
const gather = 200;

/**
 * Asks again for answers that have become stale. One that is being fetched may have been read before the change or after
 * it: it is let come in, so that a busy fleet does not keep a slow list from ever being shown, and then asked for once more.
 */
export class StaleAnswers {
  readonly #client: QueryClient;
  readonly #keys = new Map<string, QueryKey>();
  readonly #underWay = new Set<Query>();
  readonly #unsubscribe: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: QueryClient) {
    this.#client = client;
    this.#unsubscribe = client.getQueryCache().subscribe(({ type, query }) => {
      if (type === 'removed') this.#underWay.delete(query);
      else if (type === 'updated' && query.state.fetchStatus !== 'fetching' && this.#underWay.delete(query))
        this.#refresh(query.queryKey, (one) => one === query);
    });
  }

  /** Keys as `invalidateQueries` takes them: each stands for all that begin with it. */
  add(...keys: QueryKey[]): void {
    for (const key of keys) this.#keys.set(JSON.stringify(key), key);
    this.#timer ??= setTimeout(() => this.#refreshAll(), gather);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#unsubscribe();
    this.#underWay.clear();
  }

  #refreshAll(): void {
    this.#timer = undefined;
    const keys = [...this.#keys.values()];
    this.#keys.clear();
    const cache = this.#client.getQueryCache();
    for (const queryKey of keys)
      for (const query of cache.findAll({ queryKey, fetchStatus: 'fetching' })) this.#underWay.add(query);
    for (const queryKey of keys) this.#refresh(queryKey, (query) => !this.#underWay.has(query));
  }

  #refresh(queryKey: QueryKey, predicate: (query: Query) => boolean): void {
    void this.#client.invalidateQueries({ queryKey, predicate }, { cancelRefetch: false });
  }
}
