import type { MessageBus } from 'dbus-next';
import { Backoff, pause } from '#base/backoff';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { authentication } from '#proto/dbus';

/** What other programs on the device may ask of us: token and forwarder, both empty while there is no authorization. */
export interface Granted {
  readonly token: string;
  readonly url: string;
}

export interface BusOptions {
  readonly granted: () => Granted;
  /** Starts a fetch (or joins the one that runs) and returns at once. */
  readonly fetch: () => void;
  /** Calls the listener after each fetch, once the forwarder is ready; returns how to stop that. */
  readonly subscribe: (listener: (granted: Granted) => void) => () => void;
  readonly log: Log;
}

/** The service io.mender.AuthenticationManager (`connect-protocol.md` §6), taken again whenever the bus comes back. */
export async function serveBus(options: BusOptions, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff({ first: 500, ceiling: 30_000 });
  let told = '';
  while (!signal.aborted) {
    try {
      await serveOnce(options, signal, () => {
        backoff.reset();
        told = '';
      });
      if (!signal.aborted) options.log.warn('D-Bus is gone, reconnecting');
    } catch (error) {
      // The same sentence every half minute for a device without a bus would fill its log.
      const reason = messageOf(error);
      if (!signal.aborted && reason !== told)
        options.log.warn('no D-Bus service: Connect will not find us, updating goes on', { error: reason });
      told = reason;
    }
    await pause(backoff.next(), signal);
  }
}

const callTimeout = 10_000;
const nameFlags = 4; // do not queue behind another owner
const primaryOwner = 1;
const alreadyOwner = 4;

async function serveOnce(options: BusOptions, signal: AbortSignal, serving: () => void): Promise<void> {
  const {
    systemBus,
    interface: { Interface },
  } = (await import('dbus-next')).default;
  const bus = systemBus();
  const ended = untilEnd(bus, signal);
  ended.catch(() => undefined); // also awaited below; a failure before that must not count as unhandled
  const { granted, fetch, subscribe, log } = options;
  class Authentication extends Interface {
    getJwtToken(): string[] {
      const { token, url } = granted();
      return [token, url];
    }
    fetchJwtToken(): boolean {
      fetch();
      return true;
    }
    tokenStateChange({ token, url }: Granted): string[] {
      return [token, url];
    }
  }
  Authentication.configureMembers({
    methods: {
      getJwtToken: { name: authentication.getJwtToken.name, outSignature: authentication.getJwtToken.out },
      fetchJwtToken: { name: authentication.fetchJwtToken.name, outSignature: authentication.fetchJwtToken.out },
    },
    signals: { tokenStateChange: { ...authentication.tokenStateChange } },
  });
  const service = new Authentication(authentication.interface);
  let unsubscribe: (() => void) | undefined;
  try {
    bus.export(authentication.path, service);
    const owner = await Promise.race([bus.requestName(authentication.name, nameFlags), ended, timeout(signal)]);
    if (owner !== primaryOwner && owner !== alreadyOwner) {
      if (signal.aborted) return;
      throw new CodedError('bus_name', `${authentication.name} is taken: another update client runs on this bus`);
    }
    unsubscribe = subscribe((now) => {
      try {
        service.tokenStateChange(now);
      } catch (error) {
        log.warn('D-Bus signal lost', { error: messageOf(error) });
      }
    });
    log.info('D-Bus service ready', { name: authentication.name });
    serving();
    await ended;
  } finally {
    unsubscribe?.();
    // The library's own disconnect leaves the socket half open when the bus is deaf.
    bus._connection.stream.destroy();
  }
}

async function timeout(signal: AbortSignal): Promise<never> {
  await pause(callTimeout, signal);
  throw new CodedError('bus_timeout', 'the D-Bus daemon does not answer');
}

/** Resolves when the bus has ended or we shall; rejects on an error. The library itself tells of neither. */
function untilEnd(bus: MessageBus, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    bus.on('error', (error) => reject(error instanceof Error ? error : new Error(String(error))));
    bus._connection.stream.on('close', () => resolve());
    const stop = () => resolve();
    signal.addEventListener('abort', stop, { once: true });
    bus._connection.stream.on('close', () => signal.removeEventListener('abort', stop));
  });
}
