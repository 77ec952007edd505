import type dbus from 'dbus-next';
import type { MessageBus } from 'dbus-next';
import { Backoff, pause } from '#base/backoff';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';

export type Library = typeof dbus;

/** A name on the bus and what stands behind it. */
export interface Service {
  readonly name: string;
  readonly path: string;
  /** What the device lacks without it, for the log. */
  readonly lost: string;
  /** The object for one connection; `follow` makes it send its signals until the function it returns is called. */
  readonly create: (library: Library) => {
    readonly face: InstanceType<Library['interface']['Interface']>;
    readonly follow: () => () => void;
  };
}

export interface BusOptions {
  readonly service: Service;
  readonly log: Log;
}

/**
 * Offers a service on the system bus, again whenever that comes back, until the signal aborts. On a connection of its
 * own: a policy that denies one name denies every other name of the same connection with it.
 */
export async function serveBus(options: BusOptions, signal: AbortSignal): Promise<void> {
  const { service, log } = options;
  const backoff = new Backoff({ first: 500, ceiling: 30_000 });
  let told = '';
  while (!signal.aborted) {
    try {
      await serveOnce(options, signal, () => {
        backoff.reset();
        told = '';
      });
      if (!signal.aborted) log.warn('D-Bus is gone, reconnecting', { name: service.name });
    } catch (error) {
      // The same sentence every half minute for a device without a bus would fill its log.
      const reason = messageOf(error);
      if (!signal.aborted && reason !== told)
        log.warn('no D-Bus service, updating goes on', { name: service.name, lost: service.lost, error: reason });
      told = reason;
    }
    await pause(backoff.next(), signal);
  }
}

const callTimeout = 10_000;
const nameFlags = 4; // do not queue behind another owner
const primaryOwner = 1;
const alreadyOwner = 4;

async function serveOnce({ service, log }: BusOptions, signal: AbortSignal, serving: () => void): Promise<void> {
  const { name, path, create } = service;
  const library = (await import('dbus-next')).default;
  const bus = library.systemBus();
  const ended = untilEnd(bus, signal);
  ended.catch(() => undefined); // also awaited below; a failure before that must not count as unhandled
  let unfollow: (() => void) | undefined;
  try {
    const { face, follow } = create(library);
    bus.export(path, face);
    const owner = await Promise.race([bus.requestName(name, nameFlags), ended, timeout(signal)]);
    if (owner !== primaryOwner && owner !== alreadyOwner) {
      if (signal.aborted) return;
      throw new CodedError('bus_name', `${name} is taken: another update client runs on this bus`);
    }
    unfollow = follow();
    log.info('D-Bus service ready', { name });
    serving();
    await ended;
  } finally {
    unfollow?.();
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
