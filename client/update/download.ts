import { pause } from '#base/backoff';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Clock } from '../retries.ts';
import type { Reply, Transport } from '../transport.ts';

export interface DownloadOptions {
  readonly transport: Transport;
  /** Waits allowed in one download. */
  readonly retries: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Told of each piece: bytes received so far, and of how many; 0: unknown. */
  readonly progress?: (received: number, length: number) => void;
}

const waitSeconds = 60;

/**
 * The bytes of a URL, going on by `Range` where a connection broke (`update-client.md` §8.2). Throws `download` when
 * the server refuses, changes its mind about the file, or too many connections break.
 */
export async function* download(uri: string, options: DownloadOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { log, signal } = options;
  const retry = retrying(options);
  let reply = await first(uri, options, retry);
  if (reply.status !== 200) {
    reply.body.destroy();
    throw new CodedError('download', `the artifact is refused: server answers ${reply.status}`);
  }
  const length = Number(reply.headers['content-length'] ?? 0);
  let received = 0;
  for (;;) {
    let broken: unknown = new CodedError('download', 'the connection ended early');
    try {
      for await (const chunk of reply.body as AsyncIterable<Uint8Array>) {
        received += chunk.length;
        if (length > 0 && received > length) throw new CodedError('download', 'more bytes than announced');
        options.progress?.(received, length);
        yield chunk;
      }
      if (length === 0 || received === length) return;
    } catch (error) {
      signal.throwIfAborted();
      if (received > length) throw error;
      broken = error;
    } finally {
      reply.body.destroy();
    }
    if (received === length) return;
    log.warn('download interrupted', { received, length, error: messageOf(broken) });
    reply = await next(uri, { received, length }, options, retry);
  }
}

/** The first answer, whatever it says; only a server that cannot be reached is asked again. */
async function first(uri: string, options: DownloadOptions, retry: (error: unknown) => Promise<void>): Promise<Reply> {
  for (;;) {
    try {
      return await options.transport.request(uri, { signal: options.signal });
    } catch (error) {
      options.signal.throwIfAborted();
      await retry(error);
    }
  }
}

/** The rest from `received` on, checked to be exactly that. */
async function next(
  uri: string,
  { received, length }: { received: number; length: number },
  options: DownloadOptions,
  retry: (error: unknown) => Promise<void>,
): Promise<Reply> {
  const { transport, signal } = options;
  let error: unknown = new CodedError('download', 'the connection ended early');
  for (;;) {
    await retry(error);
    let reply: Reply;
    try {
      reply = await transport.request(uri, { signal, headers: { Range: `bytes=${received}-${length - 1}` } });
    } catch (failure) {
      signal.throwIfAborted();
      error = failure;
      continue;
    }
    const range = /^bytes (\d+)-(\d+)(?:\/(\d+|\*))?$/.exec(reply.headers['content-range'] ?? '');
    const fits =
      reply.status === 206 &&
      Number(range?.[1]) === received &&
      Number(range?.[2]) === length - 1 &&
      (range?.[3] === undefined || range[3] === '*' || Number(range[3]) === length);
    if (fits) return reply;
    reply.body.destroy();
    throw new CodedError('download', `the download cannot go on at byte ${received}: server answers ${reply.status}`);
  }
}

function retrying({ retries, clock, log, signal }: DownloadOptions): (error: unknown) => Promise<void> {
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
