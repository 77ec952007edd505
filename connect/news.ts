import { control, narrow, ProtoType, unpack, type ProtoMsg } from '#proto';
import { parser } from '#proto/validate';

const newsBody = parser(control.messages.news.body);

/** Word from the server that it has something for an add-on of this device (`newsExtension`), to whoever listens. */
export class News {
  readonly #listeners = new Map<string, Set<() => void>>();

  /** `listener` may not throw. Gives back how to end that. */
  on(addon: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(addon) ?? new Set();
    this.#listeners.set(addon, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** Whether the frame is such a word; it is then told. One without a proper name is of nobody. */
  take({ hdr, body }: ProtoMsg): boolean {
    if (hdr.proto !== ProtoType.Control || hdr.typ !== 'news') return false;
    for (const listener of this.#listeners.get(nameIn(body)) ?? []) listener();
    return true;
  }
}

function nameIn(body: Uint8Array | undefined): string {
  try {
    return newsBody(body && narrow(unpack(body))).addon;
  } catch {
    // Nothing waits for an answer.
    return '';
  }
}
