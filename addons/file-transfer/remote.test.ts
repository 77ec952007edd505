import { afterEach, expect, it, vi } from 'vitest';
import { grant } from '#proto';
import type { Message } from './protocol.ts';
import { Remote } from './remote.ts';

afterEach(() => void vi.useRealTimers());

/** A device of ours at the end of a line; what it does with each message is the test's. */
abstract class FarDevice {
  readonly signal = new AbortController().signal;
  taken = 0;
  readonly #answers: Message[] = [];
  readonly #came: Message[] = [];
  #wake = Promise.withResolvers<void>();
  #working = false;

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
    for (let message = this.#came.shift(); message; message = this.#came.shift()) await this.take(message);
    this.#working = false;
  }

  protected abstract take(message: Message): Promise<void> | void;

  protected answer(message: Message): void {
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

const windows = { window: 8 << 20, chunk: 64 * 1024 };

/** The line slows down: it says of each chunk, one after the other, that it is written. */
class SlowingDevice extends FarDevice {
  protected async take(message: Message): Promise<void> {
    if (message.typ === 'put_file') this.answer({ typ: 'ack', props: { offset: 0, ...grant(windows) } });
    if (message.typ !== 'file_chunk') return;
    await new Promise((resolve) => setTimeout(resolve, this.taken < 4 << 20 ? 2 : 500));
    this.answer({ typ: 'ack', props: { offset: this.taken } });
    this.taken += message.body.length;
  }
}

/** Of a build that does not speak of prompt acknowledgements, and gives one for half a MiB. */
class EarlierDevice extends FarDevice {
  #told = 0;
  protected take(message: Message): void {
    const { grant_prompt: _, ...granted } = grant(windows);
    if (message.typ === 'put_file') this.answer({ typ: 'ack', props: { offset: 0, ...granted } });
    if (message.typ !== 'file_chunk') return;
    const offset = this.taken;
    this.taken += message.body.length;
    if (this.taken - this.#told < 512 * 1024 && message.body.length > 0) return;
    this.#told = this.taken;
    this.answer({ typ: 'ack', props: { offset } });
  }
}

/** So many MiB to upload. */
function zeros(mib: number) {
  const size = mib << 20;
  async function* source() {
    for (let at = 0; at < size; at += 256 * 1024) yield await Promise.resolve(new Uint8Array(256 * 1024));
  }
  return { size, source };
}

it('an upload goes on when the line becomes so slow that less may be under way than one chunk', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const device = new SlowingDevice();
  const { size, source } = zeros(24);
  const written = vi.fn<() => void>();
  const upload = new Remote(device).write({ path: '/tmp/x' }, source).then(written);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(device.taken).toBe(size);
  expect(written).toHaveBeenCalledOnce();
  await upload;
});

it('an earlier build, which acknowledges much at a time, is not waited for after a little', async () => {
  const device = new EarlierDevice();
  const { size, source } = zeros(24);
  await new Remote(device).write({ path: '/tmp/x' }, source);
  expect(device.taken).toBe(size);
});
