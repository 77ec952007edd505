import dbus from 'dbus-next';
import type { Message, MessageBus } from 'dbus-next';
import { Backoff, pause } from '#base/backoff';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { authentication as auth } from '#proto/dbus';

/** What the client lends us: always taken together, from one reply or one signal (`connect-protocol.md` §6.3). */
export interface Authorization {
  readonly token: string;
  readonly serverUrl: string;
}

export interface TokenOptions {
  readonly log: Log;
  /** Default: the system bus. */
  readonly busAddress?: string;
  /** The library has no time-out of its own, ms. */
  readonly timeout?: number;
}

const daemon = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};

/**
 * The device's token and the server's URL, as the client says them over D-Bus. The client may come late, restart under
 * another unique name, or the bus itself may restart: `run` gets over all of it.
 */
export class Token {
  readonly #options: Required<Omit<TokenOptions, 'busAddress'>> & { readonly busAddress: string | undefined };
  #bus: MessageBus | undefined;
  #current: Authorization | undefined;
  #change = new AbortController();
  #word = new AbortController();
  /** Nobody has the client's name, and that has been said. */
  #alone = false;

  constructor({ log, busAddress, timeout = 5000 }: TokenOptions) {
    this.#options = { log, busAddress, timeout };
  }

  /** Undefined while the device has no authorization, or nobody to ask for it. */
  get current(): Authorization | undefined {
    return this.#current;
  }

  /** Aborts when `current` becomes another one; ask again after that. */
  get changed(): AbortSignal {
    return this.#change.signal;
  }

  /** Aborts when the client says anything, were it the same again: a good moment to try what failed before. */
  get spoken(): AbortSignal {
    return this.#word.signal;
  }

  /** Asks the client; keeps what there is if nobody answers. Never rejects. */
  async refresh(): Promise<void> {
    const bus = this.#bus;
    if (!bus) return;
    try {
      const { getJwtToken } = auth;
      const reply = await this.#call(bus, {
        destination: auth.name,
        path: auth.path,
        interface: auth.interface,
        member: getJwtToken.name,
        // Whoever has stopped the client wants it to stay stopped: the bus shall not start it for us.
        flags: dbus.MessageFlag.NO_AUTO_START,
      });
      this.#alone = false;
      if (bus === this.#bus) this.#take(reply.body);
    } catch (error) {
      if (!isAbsence(error))
        this.#options.log.warn('no answer from the client', { name: auth.name, error: messageOf(error) });
      else if (!this.#alone) this.#options.log.info('no update client runs, waiting for one', { name: auth.name });
      this.#alone = isAbsence(error);
    }
  }

  /** Keeps a connection to the bus until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ first: 500, ceiling: 10_000 });
    while (!signal.aborted) {
      try {
        await this.#attend(signal, () => backoff.reset());
        if (!signal.aborted) this.#options.log.warn('D-Bus lost');
      } catch (error) {
        this.#options.log.warn('D-Bus not reached', { error: messageOf(error) });
      }
      await pause(backoff.next(), signal);
    }
  }

  /** One connection, from hello to its end. A bus object cannot be used again after its bus is gone. */
  async #attend(signal: AbortSignal, attached: () => void): Promise<void> {
    const { busAddress } = this.#options;
    const bus = busAddress === undefined ? dbus.systemBus() : dbus.sessionBus({ busAddress });
    const over = Promise.withResolvers<void>();
    bus.on('error', over.reject);
    bus._connection.stream.once('close', over.resolve);
    const stop = (): void => over.resolve();
    signal.addEventListener('abort', stop);
    try {
      bus.on('message', (message: Message) => this.#heard(bus, message));
      await Promise.race([this.#subscribe(bus), over.promise.then(() => Promise.reject(new Error('bus closed')))]);
      this.#bus = bus;
      attached();
      await this.refresh();
      await over.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#bus = undefined;
      over.promise.catch(() => undefined);
      bus.disconnect();
      bus._connection.stream.destroy();
    }
  }

  async #subscribe(bus: MessageBus): Promise<void> {
    // The bus matches the sender's name against its present owner: nobody else's signal gets through.
    const rules = [
      `type='signal',sender='${auth.name}',interface='${auth.interface}',member='${auth.tokenStateChange.name}'`,
      `type='signal',sender='${daemon.destination}',member='NameOwnerChanged',arg0='${auth.name}'`,
    ];
    for (const rule of rules) await this.#call(bus, { ...daemon, member: 'AddMatch', signature: 's', body: [rule] });
  }

  #heard(bus: MessageBus, { interface: face, member, body }: Message): void {
    if (bus !== this.#bus) return;
    if (face === auth.interface && member === auth.tokenStateChange.name) {
      this.#take(body);
      const word = this.#word;
      this.#word = new AbortController();
      word.abort();
    }
    // A new owner: the client came up, late or again. When it goes, the token it gave stays good.
    if (face === daemon.interface && member === 'NameOwnerChanged' && body[2]) void this.refresh();
  }

  #take(body: readonly unknown[]): void {
    const [token, serverUrl] = body;
    if (typeof token !== 'string' || typeof serverUrl !== 'string') return;
    const next = token && serverUrl ? { token, serverUrl } : undefined;
    if (next?.token === this.#current?.token && next?.serverUrl === this.#current?.serverUrl) return;
    this.#options.log.info('authorization changed', { authorized: next !== undefined, server: next?.serverUrl });
    this.#current = next;
    const change = this.#change;
    this.#change = new AbortController();
    change.abort();
  }

  #call(bus: MessageBus, call: ConstructorParameters<typeof dbus.Message>[0]): Promise<Message> {
    const { timeout } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const late = setTimeout(
      () => reject(new CodedError('timeout', `${call.member} was not answered in ${timeout} ms`)),
      timeout,
    );
    bus
      .call(new dbus.Message(call))
      .then((reply) => (reply ? resolve(reply) : reject(new CodedError('no_reply', 'no reply'))), reject)
      .finally(() => clearTimeout(late));
    return promise;
  }
}

/** Nobody has that name on the bus, in the words of either daemon that there is for D-Bus. */
function isAbsence(error: unknown): boolean {
  const type = error instanceof dbus.DBusError ? error.type : '';
  return ['NameHasNoOwner', 'ServiceUnknown'].includes(type.slice('org.freedesktop.DBus.Error.'.length));
}
