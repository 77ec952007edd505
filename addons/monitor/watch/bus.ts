import { existsSync, readFileSync } from 'node:fs';
import dbus from 'dbus-next';
import type { Message, MessageBus } from 'dbus-next';
import { Backoff, pause } from '#base/backoff';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';

export interface Listener {
  /** Match rules, as for `dbus-monitor`. */
  readonly rules: readonly string[];
  readonly heard: (message: Message) => void;
  /** The rules are in force, for the first time or again: now is the time to ask how things are. */
  readonly attached: () => void;
  readonly lost: (why: string) => void;
}

type Call = ConstructorParameters<typeof dbus.Message>[0];

const daemon = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};
export const systemd = {
  name: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  manager: 'org.freedesktop.systemd1.Manager',
};
const properties = 'org.freedesktop.DBus.Properties';
const patience = 5000;
/** Of the file that says in which run level a system without systemd is: one record, and in it type and process id. */
const record = 384;

/** One connection to the system bus for all checks: made when the first needs it, and again when it is lost. */
export class Bus {
  readonly #options: { readonly log: Log; readonly address?: string };
  readonly #listeners = new Set<Listener>();
  readonly #end = new AbortController();
  #bus: MessageBus | undefined;
  #working: Promise<void> | undefined;

  constructor(options: { readonly log: Log; readonly address?: string }) {
    this.#options = options;
  }

  /** Until it is called off. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    const bus = this.#bus;
    if (bus) void this.#attach(bus, listener);
    this.#working ??= this.#run();
    return () => {
      if (!this.#listeners.delete(listener) || !this.#bus) return;
      const own = this.#bus;
      for (const rule of listener.rules)
        this.#call(own, { ...daemon, member: 'RemoveMatch', signature: 's', body: [rule] }).catch(() => undefined);
    };
  }

  async call(call: Call): Promise<Message> {
    if (!this.#bus) throw new CodedError('no_bus', 'the system bus is not connected');
    return await this.#call(this.#bus, call);
  }

  async property(path: string, face: string, name: string): Promise<unknown> {
    return valueOf(
      (
        await this.call({
          destination: systemd.name,
          path,
          interface: properties,
          member: 'Get',
          signature: 'ss',
          body: [face, name],
        })
      ).body[0],
    );
  }

  /** Whether the system is going down. */
  async closing(): Promise<boolean> {
    if (runLevel() === '0' || runLevel() === '6') return true;
    if (!this.#bus && !existsSync('/run/systemd/system')) return false;
    const own = this.#bus ?? (await this.#connect().catch(() => undefined));
    if (!own) return false;
    try {
      const ask = {
        destination: systemd.name,
        path: systemd.path,
        interface: properties,
        member: 'Get',
        signature: 'ss',
      };
      return (
        valueOf((await this.#call(own, { ...ask, body: [systemd.manager, 'SystemState'] })).body[0]) === 'stopping'
      );
    } catch {
      return false;
    } finally {
      if (own !== this.#bus) close(own);
    }
  }

  async end(): Promise<void> {
    this.#end.abort();
    await this.#working;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    const backoff = new Backoff({ first: 500, ceiling: 30_000 });
    while (!signal.aborted) {
      let why = 'the system bus was lost';
      try {
        await this.#attend(signal, () => backoff.reset());
      } catch (error) {
        why = `the system bus is not reached: ${messageOf(error)}`;
      }
      if (signal.aborted) return;
      this.#options.log.warn('D-Bus lost', { error: why });
      for (const listener of this.#listeners) listener.lost(why);
      await pause(backoff.next(), signal);
    }
  }

  async #attend(signal: AbortSignal, attached: () => void): Promise<void> {
    const bus = await this.#connect();
    const over = Promise.withResolvers<void>();
    const stop = (): void => over.resolve();
    bus.on('error', stop);
    bus._connection.stream.once('close', stop);
    signal.addEventListener('abort', stop);
    try {
      bus.on('message', (message: Message) => {
        for (const listener of this.#listeners) listener.heard(message);
      });
      this.#bus = bus;
      attached();
      for (const listener of this.#listeners) void this.#attach(bus, listener);
      await over.promise;
    } finally {
      this.#bus = undefined;
      signal.removeEventListener('abort', stop);
      close(bus);
    }
  }

  async #connect(): Promise<MessageBus> {
    const { address } = this.#options;
    const bus = address === undefined ? dbus.systemBus() : dbus.sessionBus({ busAddress: address });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => reject(new Error(`no answer within ${patience} ms`)), patience);
    bus.on('connect', resolve);
    bus.on('error', reject);
    bus._connection.stream.once('close', () => reject(new Error('it was closed')));
    try {
      await promise;
      return bus;
    } catch (error) {
      close(bus);
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  async #attach(bus: MessageBus, listener: Listener): Promise<void> {
    try {
      for (const rule of listener.rules)
        await this.#call(bus, { ...daemon, member: 'AddMatch', signature: 's', body: [rule] });
      if (bus === this.#bus && this.#listeners.has(listener)) listener.attached();
    } catch (error) {
      if (bus === this.#bus && this.#listeners.has(listener)) listener.lost(messageOf(error));
    }
  }

  #call(bus: MessageBus, call: Call): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const late = setTimeout(
      () => reject(new CodedError('timeout', `${call.member} was not answered within ${patience} ms`)),
      patience,
    );
    bus
      .call(new dbus.Message(call))
      .then((reply) => (reply ? resolve(reply) : reject(new CodedError('no_reply', 'no reply'))), reject)
      .finally(() => clearTimeout(late));
    return promise;
  }
}

function close(bus: MessageBus): void {
  bus.on('error', () => undefined);
  bus.disconnect();
  bus._connection.stream.destroy();
}

/** What a variant holds. */
export const valueOf = (variant: unknown): unknown => (variant as { value?: unknown } | undefined)?.value;

/** Of a system without systemd, from utmp; undefined: it does not say. */
function runLevel(file = '/run/utmp'): string | undefined {
  try {
    const bytes = readFileSync(file);
    for (let at = 0; at + record <= bytes.length; at += record)
      if (bytes.readInt16LE(at) === 1) return String.fromCharCode(bytes.readInt32LE(at + 4) & 0xff);
  } catch {
    // There is none.
  }
  return undefined;
}
