import { bodyChunk, control, encode, ProtoType, toFrame, type ProtoMsg } from '#proto';
import type { DeviceEnd } from './bus.ts';

/** What one session sends to its device: stamped with the session and the person, and never larger than the device takes. */
export class ToDevice {
  readonly #sid: string;
  readonly #full: (end: DeviceEnd) => void;
  /** Undefined: the device is away. */
  end: DeviceEnd | undefined;
  /** Of frames, for the audit log. */
  bytes = 0;

  /** `full` is told each time that the device's socket has more than it likes: `drained()` says when that is over. */
  constructor(sid: string, end: DeviceEnd | undefined, full: (end: DeviceEnd) => void) {
    this.#sid = sid;
    this.end = end;
    this.#full = full;
  }

  /** A message of the person. Answers why it is not sent. */
  relay({ hdr, body }: ProtoMsg, userId: string): string | undefined {
    const stamped = { ...hdr, sid: this.#sid, props: { ...widened(hdr), user_id: userId } };
    const frame = encode({ hdr: stamped, ...(body ? { body } : {}) });
    const frameLimit = this.end?.frameLimit ?? 0;
    if (frame.length <= frameLimit || !this.end) {
      this.#send(frame);
      return undefined;
    }
    // Keystrokes are a stream, so a paste may be cut; any other message is one thing, whole or not at all (H-70).
    const header = frame.length - (body?.length ?? 0);
    const whole = hdr.proto !== ProtoType.Shell || hdr.typ !== 'shell' || hdr.seq !== undefined;
    if (whole || !body || header + bodyChunk > frameLimit)
      return `message too large: ${frame.length} bytes, a device takes ${frameLimit}`;
    for (let at = 0; at < body.length; at += bodyChunk)
      this.#send(encode({ hdr: stamped, body: body.subarray(at, at + bodyChunk) }));
    return undefined;
  }

  /** Keys of a guest go among those of the owner, without a number: they are not repeated. */
  type(keys: Uint8Array, userId: string): void {
    const hdr = { proto: ProtoType.Shell, typ: 'shell', sid: this.#sid, props: { user_id: userId } };
    for (let at = 0; at < keys.length; at += bodyChunk)
      this.#send(encode({ hdr, body: keys.subarray(at, at + bodyChunk) }));
  }

  /** The person is away, for no longer than so many seconds. */
  suspend(within: number | undefined): void {
    const body = within === undefined ? {} : { within };
    this.end?.deliver(encode(toFrame(control, { typ: 'suspend', body }, this.#sid)));
  }

  /** The person's end is over and the device lives: it is told, so that nothing of his is left there (H-69). */
  over(why: string, userId: string, shell: boolean): void {
    const hdr = { proto: ProtoType.Shell, typ: 'stop', sid: this.#sid, props: { status: 2, user_id: userId } };
    if (shell) this.end?.deliver(encode({ hdr, body: new TextEncoder().encode(why) }));
    this.end?.deliver(encode(toFrame(control, { typ: 'close', props: { user_id: userId } }, this.#sid)));
  }

  #send(frame: Uint8Array): void {
    const { end } = this;
    if (!end) return;
    this.bytes += frame.length;
    if (!end.deliver(frame)) this.#full(end);
  }
}

/** Browsers write an offset as short as it goes; a device of the reference reads it in eight bytes only (§2.2, A-7). */
function widened({ proto, props }: ProtoMsg['hdr']): Readonly<Record<string, unknown>> | undefined {
  const offset = props?.['offset'];
  if (proto !== ProtoType.FileTransfer || !Number.isSafeInteger(offset)) return props;
  return { ...props, offset: BigInt(offset as number) };
}
