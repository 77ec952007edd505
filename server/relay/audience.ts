import { messageOf } from '#base/errors';
import { ProtoType, type ProtoMsg } from '#proto';
import type { Guests } from './guests.ts';
import type { Recorder } from './recorder.ts';

/** Who sees a terminal besides its owner: guests, and the recording. Each gets all of it once. */
export class Audience {
  readonly guests: Guests;
  readonly #lost: (why: string) => void;
  #recorder: Recorder | undefined;
  /** Number of the device's last message: what it repeats after a loss was seen already. */
  #seen = 0;

  /** `lost`: what must be recorded cannot be any more. */
  constructor(guests: Guests, lost: (why: string) => void) {
    this.guests = guests;
    this.#lost = lost;
  }

  get recorded(): boolean {
    return this.#recorder !== undefined;
  }

  record(recorder: Recorder): void {
    this.#recorder = recorder;
    // What it has already is repeated by the device if the person's end asks for it.
    this.#seen = Math.max(this.#seen, recorder.seq);
  }

  /** A message of the device. False: it is repeated, for the owner alone. */
  hear({ hdr, body }: ProtoMsg, frame: Uint8Array): boolean {
    if (hdr.seq !== undefined) {
      if (hdr.seq <= this.#seen) return false;
      this.#seen = hdr.seq;
    }
    if (hdr.proto !== ProtoType.Shell) return true;
    if (hdr.typ === 'shell' && body && Number(hdr.props?.['status'] ?? 1) === 1) {
      this.guests.output(body, frame);
      this.#write((recorder) => recorder.output(body, hdr.seq ?? 0));
    } else if (hdr.typ === 'stop') this.guests.stopped(frame);
    return true;
  }

  /** The owner's screen has this size, at first or from now on. */
  resize({ typ, props }: ProtoMsg['hdr']): void {
    const [cols, rows] = [Number(props?.['terminal_width']), Number(props?.['terminal_height'])];
    if ((typ !== 'new' && typ !== 'resize') || !(cols > 0 && rows > 0)) return;
    this.guests.resize(cols, rows);
    if (typ === 'resize') this.#write((recorder) => recorder.resize(cols, rows));
  }

  /** `final`: the terminal is over; else its recording may go on with the next server. */
  leave(why: string, final: boolean): void {
    this.guests.leave(why);
    this.#recorder?.close(final);
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
