import { pause } from '#base/backoff';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Clock } from '../retries.ts';
import type { Config } from '../config.ts';
import type { Reply, Transport } from '../transport.ts';
import { DownloadCache } from './download-cache.ts';
import { paced } from './pace.ts';

export interface DownloadOptions {
  readonly transport: Transport;
  readonly config: Pick<
    Config,
    | 'RetryDownloadCount'
    | 'DownloadRateLimit'
    | 'DownloadLowSpeedLimit'
    | 'DownloadLowSpeedSeconds'
    | 'DownloadTimeoutSeconds'
    | 'DownloadSizeLimit'
    | 'DownloadCacheFolder'
  >;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Told of each piece: bytes received so far, and of how many; 0: unknown. */
  readonly progress?: (received: number, length: number) => void;
}

/** What is asked for, and how far it has come. */
interface Wanted {
  readonly uri: string;
  /** 0: the server does not say, and the download cannot be resumed. */
  readonly length: number;
  received: number;
}

const waitSeconds = 60;

/**
 * The bytes of a URL, going on by `Range` where a connection broke (`update-client.md` §8.2). Throws `download` when
 * the server refuses, changes its mind about the file, or too many connections break; also when it takes longer or is
 * larger than the configuration allows.
 */
export async function* download(uri: string, options: DownloadOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { log, config, clock } = options;
  const { DownloadTimeoutSeconds: most, DownloadCacheFolder: folder, DownloadSizeLimit: largest } = config;
  const late = new AbortController();
  const timer = most > 0 ? setTimeout(() => late.abort(), Math.min(most * clock.second, 0x7fffffff)) : undefined;
  const signal = AbortSignal.any([options.signal, late.signal]);
  const cache = folder === undefined ? undefined : new DownloadCache(folder, log);
  let complete = false;
  try {
    for await (const chunk of pieces(uri, { ...options, signal }, cache)) {
      if (largest > 0 && chunk.received > largest)
        throw new CodedError('download', `the artifact is larger than DownloadSizeLimit, ${largest} bytes`);
      yield chunk.bytes;
    }
    complete = true;
  } catch (error) {
    options.signal.throwIfAborted();
    if (!late.signal.aborted) throw error;
    throw new CodedError('download', `the download took longer than DownloadTimeoutSeconds, ${most} s`);
  } finally {
    clearTimeout(timer);
    cache?.end();
    // Whoever reads us stopped: perhaps over what the cache said.
    if (!complete && cache?.used) cache.forget();
  }
}

interface Piece {
  readonly bytes: Uint8Array;
  /** With this piece. */
  readonly received: number;
}

async function* pieces(uri: string, options: DownloadOptions, cache?: DownloadCache): AsyncGenerator<Piece> {
  const { log, signal, config, clock } = options;
  const retry = retrying(options);
  let reply = await first(uri, options, retry);
  if (reply.status !== 200) {
    reply.body.destroy();
    throw new CodedError('download', `the artifact is refused: server answers ${reply.status}`);
  }
  const wanted: Wanted = { uri, length: Number(reply.headers['content-length'] ?? 0), received: 0 };
  const { length } = wanted;
  if (config.DownloadSizeLimit > 0 && length > config.DownloadSizeLimit) {
    reply.body.destroy();
    throw new CodedError(
      'download',
      `the artifact has ${length} bytes, DownloadSizeLimit is ${config.DownloadSizeLimit}`,
    );
  }
  const etag = reply.headers.etag;
  if (cache && etag?.startsWith('"') && length > 0) {
    const kept = await cache.begin({ etag, length });
    if (kept > 0) {
      log.info('download goes on from the cache', { bytes: kept, of: length });
      reply.body.destroy();
      for await (const bytes of cache.read(kept)) yield take(wanted, bytes, options);
      if (wanted.received === length) return;
      reply = (await range(wanted, options)) ?? (await next(wanted, options, retry));
    }
  }
  const { DownloadRateLimit: rate, DownloadLowSpeedLimit: floor, DownloadLowSpeedSeconds: window } = config;
  for (;;) {
    let broken: unknown = new CodedError('download', 'the connection ended early');
    try {
      for await (const bytes of paced(reply.body as AsyncIterable<Uint8Array>, {
        clock,
        signal,
        rate,
        floor,
        window,
      })) {
        const piece = take(wanted, bytes, options);
        cache?.add(bytes);
        yield piece;
      }
      if (length === 0 || wanted.received === length) return;
    } catch (error) {
      signal.throwIfAborted();
      if (wanted.received > length) throw error;
      broken = error;
    } finally {
      reply.body.destroy();
    }
    if (wanted.received === length) return;
    log.warn('download interrupted', { received: wanted.received, length, error: messageOf(broken) });
    reply = await next(wanted, options, retry);
  }
}

function take(wanted: Wanted, bytes: Uint8Array, { progress }: DownloadOptions): Piece {
  wanted.received += bytes.length;
  const { received, length } = wanted;
  if (length > 0 && received > length) throw new CodedError('download', 'more bytes than announced');
  progress?.(received, length);
  return { bytes, received };
}

type Retry = (error: unknown) => Promise<void>;

/** The first answer, whatever it says; only a server that cannot be reached is asked again. */
async function first(uri: string, options: DownloadOptions, retry: Retry): Promise<Reply> {
  for (;;) {
    try {
      return await options.transport.request(uri, { signal: options.signal });
    } catch (error) {
      options.signal.throwIfAborted();
      await retry(error);
    }
  }
}

/** The rest, after a wait, as often as that is allowed. */
async function next(wanted: Wanted, options: DownloadOptions, retry: Retry): Promise<Reply> {
  for (;;) {
    await retry(new CodedError('download', 'the connection ended early'));
    const reply = await range(wanted, options);
    if (reply) return reply;
  }
}

/** The rest from `received` on, checked to be exactly that; undefined when the server is not reached. */
async function range(
  { uri, received, length }: Wanted,
  { transport, signal, log }: DownloadOptions,
): Promise<Reply | undefined> {
  let reply: Reply;
  try {
    reply = await transport.request(uri, { signal, headers: { Range: `bytes=${received}-${length - 1}` } });
  } catch (error) {
    signal.throwIfAborted();
    log.warn('download interrupted', { received, length, error: messageOf(error) });
    return undefined;
  }
  const part = /^bytes (\d+)-(\d+)(?:\/(\d+|\*))?$/.exec(reply.headers['content-range'] ?? '');
  const fits =
    reply.status === 206 &&
    Number(part?.[1]) === received &&
    Number(part?.[2]) === length - 1 &&
    (part?.[3] === undefined || part[3] === '*' || Number(part[3]) === length);
  if (fits) return reply;
  reply.body.destroy();
  throw new CodedError('download', `the download cannot go on at byte ${received}: server answers ${reply.status}`);
}

function retrying({ config: { RetryDownloadCount: retries }, clock, log, signal }: DownloadOptions): Retry {
  let waits = 0;
  return async (error) => {
    if (waits >= retries)
      throw new CodedError('download', `the download broke ${waits + 1} times: ${messageOf(error)}`, { cause: error });
    waits += 1;
    log.info('download goes on later', { seconds: waitSeconds, try: waits, of: retries });
    await pause(waitSeconds * clock.second, signal);
    signal.throwIfAborted();
  };
}
