import { messageOf } from '#base/errors';
import { ProtoType, type ProtoMsg } from '#proto';
import { Guests, type GuestsOptions } from './guests.ts';
import type { Recorder } from './recorder.ts';

export interface TerminalOptions extends GuestsOptions {
  /** What must be recorded cannot be any more. */
  readonly lost: (why: string) => void;
}

/**
 * A session's terminal, as the relay sees it pass: whether there is a shell, and who sees it besides its owner: guests,
 * and the recording. Each of them gets all of it once.
 */
export class Terminal {
  readonly guests: Guests;
  readonly #lost: (why: string) => void;
  #open: boolean;
  #recorder: Recorder | undefined;
  /** Number of the device's last message: what it repeats after a loss was seen already. */
  #seen = 0;

  /** `open`: of a session that goes on, where there is a shell already. */
  constructor(open: boolean, options: TerminalOptions) {
    this.#open = open;
    this.#lost = options.lost;
    this.guests = new Guests({
      ...options,
      type: (keys, userId) => {
        if (this.#open) options.type(keys, userId);
      },
    });
  }

  /** A shell was asked for and not yet stopped: whoever goes first, the other is told by a `stop`. */
  get open(): boolean {
    return this.#open;
  }

  get recorded(): boolean {
    return this.#recorder !== undefined;
  }

  record(recorder: Recorder): void {
    this.#recorder = recorder;
    // What it has already is repeated by the device if the person's end asks for it.
    this.#seen = Math.max(this.#seen, recorder.seq);
  }

  /** A message of the device, decoded and as it came. What it repeats is for the owner alone. */
  hear({ hdr, body }: ProtoMsg, frame: Uint8Array): void {
    if (hdr.seq !== undefined) {
      if (hdr.seq <= this.#seen) return;
      this.#seen = hdr.seq;
    }
    if (hdr.proto !== ProtoType.Shell) return;
    if (hdr.typ === 'shell' && body && Number(hdr.props?.['status'] ?? 1) === 1) {
      this.guests.output(body, frame);
      this.#write((recorder) => recorder.output(body, hdr.seq ?? 0));
    } else if (hdr.typ === 'stop') {
      this.#open = false;
      this.guests.stopped(frame);
    }
  }

  /** A message of the owner: he opens a shell, sizes it, or leaves it. */
  overhear({ hdr: { proto, typ, props } }: ProtoMsg): void {
    if (proto !== ProtoType.Shell) return;
    if (typ === 'new') this.#open = true;
    if (typ === 'stop') this.#open = false;
    if (typ === 'new' || typ === 'resize')
      this.#resize(typ, Number(props?.['terminal_width']), Number(props?.['terminal_height']));
  }

  /** `final`: the session is over; else it goes on with the next server, and the recording may too. */
  leave(why: string, final: boolean): void {
    this.#open = false;
    this.guests.leave(why);
    this.#recorder?.close(final);
  }

  /** The owner's screen has this size, at first or from now on. */
  #resize(typ: 'new' | 'resize', cols: number, rows: number): void {
    if (!(cols > 0 && rows > 0)) return;
    this.guests.resize(cols, rows);
    if (typ === 'resize') this.#write((recorder) => recorder.resize(cols, rows));
  }

  /** What must be recorded and cannot ends here. */
  #write(what: (recorder: Recorder) => void): void {
    if (!this.#recorder) return;
    try {
      what(this.#recorder);
    } catch (error) {
      this.#lost(messageOf(error));
    }
  }
}
