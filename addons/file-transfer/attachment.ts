import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { rangeOf } from '#base/range';
import type { ServerReply, ServerRequest } from '#addon/server';
import { isRegularMode } from './mode.ts';
import { Refusal } from './refusal.ts';
import type { Remote, RemoteInfo } from './remote.ts';

/**
 * Up to here a file is read before anything is answered, bytes: files of /proc and /sys are smaller, or larger, than their
 * size says. Of a larger one the size is a promise, and so a part of it can be had.
 */
const small = 64 * 1024;

/**
 * A file of a device as the answer. Its head waits for the first bytes, so that a refusal still has its status. What was
 * cut can be had from there on (`Range`), unless the file is another one by then (`If-Range`, by its size and time).
 */
export async function sendAttachment(
  { req, res, requestId }: Pick<ServerRequest, 'req' | 'res' | 'requestId'>,
  remote: Remote,
  path: string,
): Promise<ServerReply> {
  const info = await statOf(remote, path);
  const size = info.size ?? 0;
  // A stock device cannot begin in the middle.
  const etag = size > small && remote.extended ? etagOf(info) : undefined;
  const asked = etag === undefined || isStale(req, etag) ? undefined : req.headers.range;
  const range = rangeOf(asked, size);
  const { start, end } = typeof range === 'string' ? { start: 0, end: size - 1 } : range;
  const head = {
    'Content-Type': 'application/octet-stream',
    'Content-Disposition': `attachment; filename="${asciiName(path)}"; filename*=UTF-8''${encodeURIComponent(basename(path))}`,
    'Cache-Control': 'private, no-transform',
    'X-MEN-File-Path': encodeURI(info.path ?? path),
    'X-MEN-File-UID': String(info.uid ?? 0),
    'X-MEN-File-GID': String(info.gid ?? 0),
    'X-MEN-File-Mode': (info.mode ?? 0).toString(8),
    'X-MEN-File-Size': String(size),
    'X-MEN-RequestID': requestId,
    ...(etag === undefined ? {} : { 'Accept-Ranges': 'bytes', ETag: etag }),
  };
  if (range === 'unsatisfiable')
    return {
      status: 416,
      headers: { 'Content-Range': `bytes */${size}` },
      body: { error: `the file has ${size} bytes`, request_id: requestId },
    };
  const part = { ...head, ...(range === 'all' ? {} : { 'Content-Range': `bytes ${start}-${end}/${size}` }) };
  const length = { 'Content-Length': String(end - start + 1) };
  const begin = (): void => void res.writeHead(range === 'all' ? 200 : 206, { ...part, ...length });
  if (req.method === 'HEAD') {
    if (size > small) begin();
    else res.writeHead(200, head);
    res.end();
  } else if (size <= small) await sendUnsized(res, remote.read(path), head);
  else await stream(res, remote.read(path, start), end - start + 1, begin);
  return 'streamed';
}

/** So many bytes of a source, and no more: it may have grown. Throws if they do not come. */
async function stream(
  res: ServerResponse,
  source: AsyncIterable<Uint8Array>,
  length: number,
  begin: () => void,
): Promise<void> {
  let left = length;
  for await (const bytes of source) {
    if (!res.headersSent) begin();
    if (!(await written(res, bytes.subarray(0, left)))) return;
    left -= bytes.length;
    if (left <= 0) break;
  }
  if (left > 0) throw new Refusal('the file became shorter while it was read', 500);
  res.end();
}

/** All that there is, with its length where it is not much. */
async function sendUnsized(
  res: ServerResponse,
  source: AsyncIterable<Uint8Array>,
  head: Readonly<Record<string, string>>,
): Promise<void> {
  const pieces: Uint8Array[] = [];
  let held = 0;
  for await (const bytes of source) {
    held += bytes.length;
    pieces.push(bytes);
    if (held <= 2 * small) continue;
    if (!res.headersSent) res.writeHead(200, head);
    if (!(await written(res, Buffer.concat(pieces.splice(0))))) return;
  }
  const rest = Buffer.concat(pieces);
  if (!res.headersSent) res.writeHead(200, { ...head, 'Content-Length': String(rest.length) });
  res.end(rest);
}

/** Resolves when there is room for more; false: whoever asked has gone. */
async function written(res: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  if (!res.closed && !res.write(bytes)) {
    const over = new AbortController();
    const { signal } = over;
    await Promise.race([once(res, 'drain', { signal }), once(res, 'close', { signal })]).catch(() => undefined);
    over.abort();
  }
  return !res.closed;
}

async function statOf(remote: Remote, path: string): Promise<RemoteInfo> {
  const info = await remote.stat(path).catch((error: unknown) => {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(
      `failed to retrieve file info: error received from device: ${error.message}`,
      error.status ?? 400,
    );
  });
  if (!isRegularMode(info.mode ?? 0)) throw new Refusal('path is not a regular file', 400);
  return info;
}

/** There is no other that says as much for as little: a checksum would have to be made of all of it. */
const etagOf = ({ size, modtime }: RemoteInfo): string =>
  `"${(size ?? 0).toString(16)}-${(modtime?.getTime() ?? 0).toString(16)}"`;

const isStale = (req: IncomingMessage, etag: string): boolean =>
  req.headers['if-range'] !== undefined && req.headers['if-range'] !== etag;

/** For the part of the header that old clients read. */
const asciiName = (path: string): string => basename(path).replaceAll(/[^ -~]|["\\]/g, '_');
