import { randomUUID } from 'node:crypto';
import { CodedError, messageOf } from '#base/errors';
import { Inbox } from '#base/inbox';
import type { OperatorSession } from '#addon/session';
import { control, controlVersion, encode, narrow, ProtoType, toFrame, unpack } from '#proto';
import type { LooseMessage, Protocol, ProtoMsg } from '#proto';
import { messageParser, parser } from '#proto/validate';
import { conflict } from '../errors.ts';
import type { DeviceEnd, RelayBus, SessionEnd } from './bus.ts';

const acceptBody = parser(control.messages.accept.body);
const errorBody = parser(control.messages.error.body);

/** For the device to answer the handshake, ms. */
const handshakeTime = 60_000;

export interface InnerOptions {
  readonly bus: RelayBus;
  readonly deviceId: string;
  readonly userId: string;
  readonly tokenId: string;
  readonly rights: readonly string[];
  readonly protocol: Protocol;
}

/**
 * A session with a device that the server itself has, in a user's name. Throws a CodedError: `conflict` (offline),
 * `not_offered`, `timeout`, or `device` with the device's words.
 */
export async function openInner(options: InnerOptions): Promise<InnerSession> {
  const device = options.bus.device(options.deviceId);
  if (!device) throw conflict('device disconnected');
  const session = new InnerSession(device, options);
  try {
    await session.handshake();
    return session;
  } catch (error) {
    session.close();
    throw error;
  }
}

export class InnerSession implements SessionEnd, OperatorSession<LooseMessage> {
  readonly sid = randomUUID();
  readonly deviceId: string;
  readonly userId: string;
  readonly tokenId: string;
  readonly rights: readonly string[];
  readonly #device: DeviceEnd;
  readonly #bus: RelayBus;
  readonly #protocol: Protocol;
  readonly #parse: (frame: ProtoMsg) => LooseMessage;
  readonly #ending = new AbortController();
  readonly #inbox: Inbox<LooseMessage>;
  readonly #accepted = Promise.withResolvers<readonly number[]>();
  #paused = Promise.withResolvers<void>();
  #isPaused = false;

  constructor(device: DeviceEnd, { bus, deviceId, userId, tokenId, rights, protocol }: InnerOptions) {
    this.deviceId = deviceId;
    this.userId = userId;
    this.tokenId = tokenId;
    this.rights = rights;
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
    const room = this.#device.deliver(encode(toFrame(this.#protocol, { ...message, props }, this.sid)));
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

  deliver(message: ProtoMsg): void {
    const { proto } = message.hdr;
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
    this.#device.deliver(encode(toFrame(control, message, this.sid)));
  }

  #end(reason: Error): void {
    if (this.signal.aborted) return;
    this.#ending.abort(reason);
    this.#accepted.reject(reason);
    this.#device.leave(this);
    this.#bus.leaveSession(this);
    this.#inbox.finish();
    this.pause(false);
  }
}
