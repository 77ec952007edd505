import { randomUUID } from 'node:crypto';
import { CodedError, messageOf } from '#base/errors';
import { Inbox } from '#base/inbox';
import type { Asker } from '#addon/server';
import type { OperatorSession } from '#addon/session';
import { control, controlVersion, encode, narrow, ProtoType, toFrame, unpack } from '#proto';
import type { LooseMessage, Protocol, ProtoMsg } from '#proto';
import { messageParser, parser } from '#proto/validate';
import { conflict } from '../errors.ts';
import type { DeviceEnd, RelayBus, SessionEnd } from './bus.ts';
import type { SessionEvent } from './events.ts';
import type { SessionFacts } from './session-facts.ts';

const acceptBody = parser(control.messages.accept.body);
const errorBody = parser(control.messages.error.body);

/** For the device to answer the handshake, ms. */
const handshakeTime = 60_000;

export interface InnerOptions {
  readonly bus: RelayBus;
  readonly deviceId: string;
  readonly asker: Asker;
  /** The add-on's id. */
  readonly kind: string;
  readonly protocol: Protocol;
  /** Writes the log of a session whose request has no entry of its own there. */
  readonly audit?: ((event: SessionEvent) => Promise<void>) | undefined;
}

/**
 * A session with a device that the server itself has, in a user's name. Throws a CodedError: `conflict` (offline),
 * `not_offered`, `timeout`, or `device` with the device's words. One that cannot be logged does not begin.
 */
export async function openInner(options: InnerOptions): Promise<InnerSession> {
  const device = options.bus.device(options.deviceId);
  if (!device) throw conflict('device disconnected');
  const session = new InnerSession(device, options);
  try {
    await session.handshake();
    await session.log();
    return session;
  } catch (error) {
    session.close();
    throw error;
  }
}

/** As `openInner` gives it: its messages are read from it, and it may end by either side at any time (`signal`). */
export class InnerSession implements SessionEnd, OperatorSession<LooseMessage> {
  readonly sid = randomUUID();
  readonly deviceId: string;
  readonly userId: string;
  readonly tokenId: string;
  readonly rights: readonly string[];
  readonly #options: InnerOptions;
  readonly #device: DeviceEnd;
  readonly #bus: RelayBus;
  readonly #protocol: Protocol;
  readonly #openedAt = new Date();
  #activeAt = new Date();
  #fromDevice = 0;
  #toDevice = 0;
  /** Its beginning is in the log, so its end has to be. */
  #logged = false;
  readonly #parse: (frame: ProtoMsg) => LooseMessage;
  readonly #ending = new AbortController();
  readonly #inbox: Inbox<LooseMessage>;
  readonly #accepted = Promise.withResolvers<readonly number[]>();
  #paused = Promise.withResolvers<void>();
  #isPaused = false;

  constructor(device: DeviceEnd, options: InnerOptions) {
    const { bus, deviceId, asker, protocol } = options;
    this.deviceId = deviceId;
    this.userId = asker.userId;
    this.tokenId = asker.tokenId;
    this.rights = [asker.access];
    this.#options = options;
    this.#device = device;
    this.#bus = bus;
    this.#protocol = protocol;
    this.#parse = messageParser(protocol);
    this.#inbox = new Inbox({
      high: 1024 * 1024,
      low: 256 * 1024,
      congested: (yes) => device.hold(this, yes),
    });
    // Whoever waits for it is told; nobody may wait any more.
    this.#accepted.promise.catch(() => undefined);
    bus.joinSession(this);
    device.join(this);
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  get facts(): SessionFacts {
    const { asker, kind } = this.#options;
    return {
      sid: this.sid,
      deviceId: this.deviceId,
      userId: this.userId,
      userName: asker.userName,
      kind,
      openedAt: this.#openedAt,
      activeAt: this.#activeAt,
      bytesFromDevice: this.#fromDevice,
      bytesToDevice: this.#toDevice,
      resumes: false,
      waitsFor: undefined,
      interruptions: [],
      recorded: false,
      size: undefined,
      guests: [],
      shared: false,
      uses: [],
    };
  }

  /** Takes it into the audit log, unless its request is there. */
  async log(): Promise<void> {
    if (this.#options.asker.count) return;
    await this.#write('opened');
    this.#logged = true;
    if (!this.signal.aborted) return;
    await this.#write('closed');
    throw this.signal.reason;
  }

  async #write(type: 'opened' | 'closed'): Promise<void> {
    const { requestId: id, address, userAgent } = this.#options.asker;
    await this.#options.audit?.({ type, session: this.facts, request: { id, address, userAgent } });
  }

  async handshake(): Promise<void> {
    this.#tell({ typ: 'open', body: { versions: [controlVersion] } });
    const late = setTimeout(
      () => this.#accepted.reject(new CodedError('timeout', 'the device does not answer')),
      handshakeTime,
    );
    const protocols = await this.#accepted.promise.finally(() => clearTimeout(late));
    if (!protocols.includes(this.#protocol.number))
      throw new CodedError('not_offered', `the device does not offer protocol ${this.#protocol.number}`);
  }

  send(message: LooseMessage): boolean {
    if (this.signal.aborted) return false;
    const props = { ...message.props, user_id: this.userId };
    this.#activeAt = new Date();
    const room = this.#give(encode(toFrame(this.#protocol, { ...message, props }, this.sid)));
    return room && !this.#isPaused;
  }

  async drained(): Promise<void> {
    if (this.#isPaused && !this.signal.aborted) await this.#paused.promise;
    if (!this.signal.aborted) await this.#device.drained();
  }

  [Symbol.asyncIterator](): AsyncIterator<LooseMessage> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  onLink(): () => void {
    return () => {};
  }

  close(): void {
    if (!this.signal.aborted) this.#tell({ typ: 'close', props: { user_id: this.userId } });
    this.#end(new CodedError('closed', 'closed'));
  }

  deliver(message: ProtoMsg, frame: Uint8Array): void {
    const { proto } = message.hdr;
    this.#fromDevice += frame.length;
    try {
      if (proto === ProtoType.Control) this.#control(message);
      else if (proto === this.#protocol.number)
        this.#inbox.push(this.#parse(message), (message.body?.length ?? 0) + 64);
    } catch (error) {
      this.#tell({ typ: 'close' });
      this.#end(new CodedError('device', `the device sent what is no message: ${messageOf(error)}`));
    }
  }

  pause(yes: boolean): void {
    this.#isPaused = yes;
    this.#paused.resolve();
    this.#paused = Promise.withResolvers();
  }

  deviceLost(): void {
    this.#end(conflict('device disconnected'));
  }

  deviceBack(): void {
    // It ended with the socket on which it began.
  }

  end(reason: string): void {
    if (!this.signal.aborted) this.#tell({ typ: 'close' });
    this.#end(new CodedError('ended', reason));
  }

  #control({ hdr, body }: ProtoMsg): void {
    if (hdr.typ === 'ping') this.#tell({ typ: 'pong', props: { user_id: this.userId } });
    if (hdr.typ === 'accept') this.#accepted.resolve(acceptBody(body && narrow(unpack(body))).protocols);
    if (hdr.typ !== 'error') return;
    const { err, close, msgproto } = errorBody(body && narrow(unpack(body)));
    this.#accepted.reject(new CodedError('device', `handshake error from client: ${err}`));
    if (close || msgproto === this.#protocol.number) this.#end(new CodedError('device', err));
  }

  #tell(message: LooseMessage): void {
    this.#give(encode(toFrame(control, message, this.sid)));
  }

  #give(frame: Uint8Array): boolean {
    this.#toDevice += frame.length;
    return this.#device.deliver(frame);
  }

  #end(reason: Error): void {
    if (this.signal.aborted) return;
    this.#ending.abort(reason);
    this.#accepted.reject(reason);
    this.#device.leave(this);
    this.#bus.leaveSession(this);
    this.#inbox.finish();
    this.pause(false);
    this.#options.asker.count?.({ bytes_from_device: this.#fromDevice, bytes_to_device: this.#toDevice });
    // What cannot be written now is closed by the next start of the server.
    if (this.#logged) this.#write('closed').catch(() => undefined);
  }
}
