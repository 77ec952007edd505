import { afterEach, expect, it, vi } from 'vitest';
import { grant } from '#proto';
import type { Message } from './protocol.ts';
import { Remote } from './remote.ts';

afterEach(() => void vi.useRealTimers());

/** A device of ours at the end of a line that slows down: it says of each chunk, one after the other, that it is written. */
class SlowingDevice {
  readonly signal = new AbortController().signal;
  readonly #answers: Message[] = [];
  readonly #came: Message[] = [];
  #wake = Promise.withResolvers<void>();
  #working = false;
  taken = 0;

  send(message: Message): boolean {
    this.#came.push(message);
    void this.#work();
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (let message = this.#came.shift(); message; message = this.#came.shift()) {
      if (message.typ === 'put_file') {
        this.#answer({ typ: 'ack', props: { offset: 0, ...grant({ window: 8 << 20, chunk: 64 * 1024 }) } });
      } else if (message.typ === 'file_chunk') {
        await new Promise((resolve) => setTimeout(resolve, this.taken < 4 << 20 ? 2 : 500));
        this.#answer({ typ: 'ack', props: { offset: this.taken } });
        this.taken += message.body.length;
      }
    }
    this.#working = false;
  }

  #answer(message: Message): void {
    this.#answers.push(message);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    for (;;) {
      const next = this.#answers.shift();
      if (next) yield next;
      else await this.#wake.promise;
    }
  }
}

it('an upload goes on when the line becomes so slow that less may be under way than one chunk', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const device = new SlowingDevice();
  const size = 24 << 20;
  async function* source() {
    for (let at = 0; at < size; at += 256 * 1024) yield await Promise.resolve(new Uint8Array(256 * 1024));
  }
  const written = vi.fn<() => void>();
  const upload = new Remote(device).write({ path: '/tmp/x' }, source).then(written);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(device.taken).toBe(size);
  expect(written).toHaveBeenCalledOnce();
  await upload;
});
