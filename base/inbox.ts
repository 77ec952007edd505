export interface InboxOptions {
  /** Size of what waits: above the first the source is to pause, below the second to go on. */
  readonly high: number;
  readonly low: number;
  readonly congested: (yes: boolean) => void;
  /** The reader has been given one that was pushed as `counted`. */
  readonly taken?: (size: number) => void;
}

/** What arrived and was not taken yet, in order, for one reader. Holds on to nothing after its end. */
export class Inbox<T> implements AsyncIterable<T> {
  readonly #options: InboxOptions;
  readonly #items: { item: T; size: number; counted: boolean }[] = [];
  #size = 0;
  #congested = false;
  #ended: 'no' | 'after the rest' | 'now' = 'no';
  #reader: ((result: IteratorResult<T, undefined>) => void) | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  push(item: T, size: number, counted = false): void {
    if (this.#ended !== 'no') return;
    const reader = this.#reader;
    if (reader) {
      this.#reader = undefined;
      reader({ value: item, done: false });
      if (counted) this.#options.taken?.(size);
      return;
    }
    this.#items.push({ item, size, counted });
    this.#size += size;
    if (this.#size > this.#options.high) this.#congest(true);
  }

  /** The reader gets what is there and then the end. */
  finish(): void {
    if (this.#ended === 'no') this.#ended = 'after the rest';
    if (this.#items.length === 0) this.end();
  }

  /** The reader gets the end next, whatever there was. */
  end(): void {
    this.#ended = 'now';
    this.#items.length = 0;
    this.#size = 0;
    this.#congest(false);
    this.#reader?.({ value: undefined, done: true });
    this.#reader = undefined;
  }

  /** Above the one mark, and not yet below the other. */
  get isCongested(): boolean {
    return this.#congested;
  }

  /** No generator: it would put three turns of the promise queue between a message and its reader. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.#take() };
  }

  #take(): Promise<IteratorResult<T, undefined>> {
    const first = this.#items.shift();
    if (first) {
      this.#size -= first.size;
      if (this.#size < this.#options.low) this.#congest(false);
      if (first.counted) this.#options.taken?.(first.size);
      return Promise.resolve({ value: first.item, done: false });
    }
    if (this.#ended !== 'no') return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => (this.#reader = resolve));
  }

  #congest(yes: boolean): void {
    if (this.#congested === yes) return;
    this.#congested = yes;
    this.#options.congested(yes);
  }
}
