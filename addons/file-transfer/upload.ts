import { rename, rm } from 'node:fs/promises';
import { grant, type Room } from '#proto';
import type { Wire } from './download.ts';
import { goError } from './go-error.ts';
import type { Limits } from './limits.ts';
import type { Partial } from './partial.ts';
import { offsetOf, stockWindow, type Message } from './protocol.ts';
import { Refusal } from './refusal.ts';
import type { Target } from './target.ts';

type Chunk = Extract<Message, { typ: 'file_chunk' }>;

export interface UploadOptions {
  readonly target: Target;
  readonly partial: Partial;
  /** What the peer was granted, if it is one of ours. */
  readonly terms: Room | undefined;
  /** What arrived is kept when the session is lost. */
  readonly kept: boolean;
  readonly limits: Limits;
  readonly wire: Wire;
  /** The file is in its place: the next transfer may begin. */
  readonly over: () => void;
}

/** Chunks that one acknowledgement stands for at most (§3.4), and bytes where a window was granted. */
const stockBatch = 10;
const largeBatch = 1024 * 1024;
/** A stock peer that sends this much ahead keeps to no rule. */
const tolerated = 16 * stockWindow;

/** A file on its way to the device: written beside its target, and put in its place when it is whole. */
export class Upload {
  readonly #options: UploadOptions;
  readonly #queue: Chunk[] = [];
  #queued = 0;
  /** Offset of the next chunk to arrive, and of the next to be written. */
  #expected: number;
  #written: number;
  #ended = false;
  #aborted: 'no' | 'lost' | 'refused' = 'no';
  #failure: Refusal | undefined;
  #woken: () => void = () => undefined;

  constructor(options: UploadOptions) {
    this.#options = options;
    this.#expected = this.#written = options.partial.size;
  }

  /** Says that it is ready, and takes chunks until the end; then the file is in place. Throws `Refusal`. */
  async run(): Promise<void> {
    const { partial, terms, wire } = this.#options;
    const sum = partial.sha256 === undefined ? {} : { sha256: partial.sha256 };
    wire.send({ typ: 'ack', props: { offset: partial.size, ...(terms ? grant(terms) : {}), ...sum } });
    let done = false;
    try {
      for (;;) {
        while (this.#queue.length === 0 && this.#going) await this.#news();
        if (this.#failure) throw this.#failure;
        if (this.#aborted !== 'no') return;
        const last = await this.#write(this.#batch());
        if (last.body.length === 0) {
          // The last answer promises that the file is there: so it is put there first (E-50).
          await this.#commit();
          done = true;
          if (this.#aborted === 'no') this.#options.over();
        }
        wire.send({ typ: 'ack', props: { ...last.props } });
        if (done) return;
      }
    } finally {
      await partial.file.close();
      const keep = this.#options.kept && this.#aborted === 'lost' && this.#written > 0;
      if (!done && !keep) await rm(partial.path, { force: true });
    }
  }

  take(chunk: Chunk): void {
    if (!this.#going || this.#ended) return;
    const offset = offsetOf(chunk.props);
    if (offset === undefined || offset === null)
      return this.#fail('invalid file chunk message: missing offset property');
    // Who finds that what was kept is of another file begins again.
    const again = offset === 0 && this.#options.kept && this.#expected === this.#options.partial.size;
    if (offset !== this.#expected && !again) return this.#fail('received unexpected chunk offset');
    this.#expected = offset + chunk.body.length;
    this.#queued += chunk.body.length;
    if (this.#queued > (this.#options.terms?.window ?? 0) + tolerated)
      return this.#fail('received more than the window allows');
    this.#ended = chunk.body.length === 0;
    this.#queue.push(chunk);
    this.#woken();
  }

  /** `lost`: the session is over; what arrived may be of use. */
  abort(why: 'lost' | 'refused'): void {
    if (this.#aborted === 'no') this.#aborted = why;
    this.#woken();
  }

  get #going(): boolean {
    return this.#aborted === 'no' && this.#failure === undefined;
  }

  #fail(why: string): void {
    this.#failure = new Refusal(why);
    this.#woken();
  }

  #news(): Promise<void> {
    return new Promise((resolve) => (this.#woken = resolve));
  }

  /** What is written and answered in one: chunks up to a limit, or the end alone. */
  #batch(): Chunk[] {
    const batch: Chunk[] = [];
    let size = 0;
    for (let chunk = this.#queue[0]; chunk; chunk = this.#queue[0]) {
      const full = this.#options.terms ? size >= largeBatch : batch.length >= stockBatch;
      if (batch.length > 0 && (full || chunk.body.length === 0)) break;
      this.#queue.shift();
      batch.push(chunk);
      size += chunk.body.length;
      if (chunk.body.length === 0) break;
    }
    this.#queued -= size;
    return batch;
  }

  async #write(batch: Chunk[]): Promise<Chunk> {
    const { limits, partial } = this.#options;
    const first = offsetOf(batch[0]!.props) ?? 0;
    const last = batch.at(-1)!;
    const size = batch.reduce((sum, { body }) => sum + body.length, 0);
    try {
      if (first < this.#written) await partial.file.truncate(first);
      this.#written = first;
      if (size > 0) limits.receiving(size, first + size);
      for (let rest = batch.map(({ body }) => body); this.#written < first + size;) {
        const { bytesWritten } = await partial.file.writev(rest, this.#written);
        this.#written += bytesWritten;
        if (this.#written < first + size) rest = [Buffer.concat(rest).subarray(bytesWritten)];
      }
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw new Refusal(`failed to write file chunk: ${goError('write', partial.path, error)}`);
    }
    return last;
  }

  /** Mode, owner, times, name. The owner before the mode: to give a file away takes its set-uid bit. */
  async #commit(): Promise<void> {
    const { target, partial } = this.#options;
    const { path, file } = partial;
    const { uid, gid, modified } = target;
    if (uid !== undefined || gid !== undefined)
      await step('failed to set file owner', 'chown', path, () => file.chown(uid ?? keep, gid ?? keep));
    await step('failed to set file permissions', 'chmod', path, () => file.chmod(target.mode));
    if (modified) await step('failed to set file times', 'utimes', path, () => file.utimes(modified, modified));
    await step('failed to commit uploaded file', 'rename', path, () => rename(path, target.path));
  }
}

/** For chown: as it is. */
const keep = 0xffffffff;

async function step(what: string, call: string, path: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    throw new Refusal(`${what}: ${goError(call, path, error)}`);
  }
}
