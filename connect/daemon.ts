import { Backoff, pause } from '#base/backoff';
import type { Blame } from '#base/blame';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { decode } from '#proto';
import type { Answer, Question } from '#addon/device';
import { addonLoader, ours, type Ours } from '#addon/loading';
import { loadAddons, type LoadedAddon } from './addons.ts';
import type { ConnectConfig } from './config.ts';
import { dialer, type Dial, type Environment } from './dial.ts';
import { Link, type LinkTimes } from './link.ts';
import { News } from './news.ts';
import { Sessions, type SessionTimes } from './sessions.ts';
import { Token } from './token.ts';

export interface ConnectOptions {
  readonly config: ConnectConfig;
  readonly log: Log;
  /** Default: the system bus. */
  readonly busAddress?: string;
  /** The add-ons of a bundle, which has them in a table. */
  readonly ours?: Ours;
  /** Whose fault it is when an add-on throws where nobody can catch it; absent: the process ends. */
  readonly blame?: Blame;
  /** Variables of the process: those of proxies count. */
  readonly env?: Environment;
  readonly times?: Partial<LinkTimes & SessionTimes & ReconnectTimes>;
}

export interface ReconnectTimes {
  /** Ceilings of the first and of any later wait, ms. */
  readonly first: number;
  readonly ceiling: number;
  /** A link that held for this long was a good one: the next loss starts over with the first wait, ms. */
  readonly proven: number;
}

const defaults: ReconnectTimes = { first: 1000, ceiling: 60_000, proven: 10_000 };

/** For add-ons to put away their things at the end, ms: shells that do not hang up are killed by then. */
const farewell = 2500;

/** Joins the device to its server, and people to its add-ons, until the signal aborts. */
export async function runConnect(options: ConnectOptions, signal: AbortSignal): Promise<void> {
  const { config, log, times } = options;
  const token = new Token({ log, ...(options.busAddress === undefined ? {} : { busAddress: options.busAddress }) });
  const dial = dialer({ env: options.env ?? {}, certificate: config.ServerCertificate, log });
  const links = new Set<(up: boolean) => void>();
  const device = {
    ask: (path: string, question?: Question) => askAuthorized(token, dial, path, question),
    onLink: (listener: (up: boolean) => void) => {
      links.add(listener);
      return () => void links.delete(listener);
    },
  };
  const news = new News();
  let up = false;
  const own = options.ours ?? ours;
  const load = addonLoader(config.file, own);
  const addons = await loadAddons(config.Addons ?? own.names('device'), load, {
    settings: config.settings,
    device,
    news,
    log,
    ...(options.blame ? { blame: options.blame } : {}),
  });
  log.info('add-ons loaded', { addons: addons.map(({ id }) => id) });
  const link: Link = new Link({
    receive(frame) {
      const message = decode(frame);
      if (!news.take(message)) sessions.receive(message);
    },
    changed: () => {
      sessions.room();
      if (link.up === up) return;
      up = link.up;
      for (const listener of links) listener(up);
    },
    log,
    resume: config.Sessions.ResumeWithin > 0,
    ...(times ? { times } : {}),
    dial: (server) => dial.socket(server),
  });
  const { ResumeWithin: within, ResumeBuffer: buffer, ResumeMemory: memory } = config.Sessions;
  const sessions = new Sessions(addons, link, log, { within, buffer, memory }, times);
  const working = runAddons(addons, log, signal);
  const farewellAll = (): void => sessions.endAll('the device stops its Connect daemon');
  // Before the link hears of it: people are to be told.
  signal.addEventListener('abort', farewellAll);
  try {
    await Promise.all([token.run(signal), stayConnected(token, link, sessions, { ...defaults, ...times }, signal)]);
  } finally {
    signal.removeEventListener('abort', farewellAll);
    farewellAll();
    const late = new AbortController();
    await Promise.race([Promise.all([sessions.settled(), working]), pause(farewell, late.signal)]);
    late.abort();
  }
}

async function stayConnected(
  token: Token,
  link: Link,
  sessions: Sessions,
  times: ReconnectTimes,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({ first: times.first, ceiling: times.ceiling, jitter: 1 });
  while (!signal.aborted) {
    await token.refresh();
    const { current, changed } = token;
    if (!current) {
      sessions.endAll('the device is not authorized any more');
      await aborted(AbortSignal.any([signal, changed]));
      continue;
    }
    const { upFor, retryAfter } = await link.hold(current, AbortSignal.any([signal, changed]));
    if (upFor >= times.proven || changed.aborted) backoff.reset();
    if (changed.aborted) continue;
    const wait = Math.max(backoff.next(), (retryAfter ?? 0) * 1000);
    await pause(wait, AbortSignal.any([signal, changed, token.spoken]));
  }
}

/** An add-on that fails at its work stops alone. */
async function runAddons(addons: readonly LoadedAddon[], log: Log, signal: AbortSignal): Promise<void> {
  const work = async ({ id, half }: LoadedAddon): Promise<void> => {
    try {
      await half.run?.(signal);
    } catch (error) {
      log.error('add-on stopped', { addon: id, error: messageOf(error) });
    }
  };
  await Promise.all(addons.map(work));
}

async function askAuthorized(token: Token, dial: Dial, path: string, question: Question = {}): Promise<Answer> {
  const { current } = token;
  if (!current) throw new Error('the device is not authorized');
  const headers = { ...question.headers, Authorization: `Bearer ${current.token}` };
  return await dial.ask(new URL(path, current.serverUrl), { ...question, headers });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
