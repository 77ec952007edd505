import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import { CodedError, messageOf } from '#base/errors';

/** Largest upload over HTTP, bytes: as the reference has it. */
export const uploadLimit = 1024 ** 3;

export interface UploadForm {
  readonly fields: { readonly path: string; readonly uid?: number; readonly gid?: number; readonly mode?: number };
  readonly filename: string;
  readonly file: AsyncIterable<Uint8Array>;
  /** Reads what is left of the request, and throws it away. */
  discard(): void;
}

/** What a form has besides its file, bytes. */
const wrapping = 1024 * 1024;

/** What is no form with a file in it, and the status that says so. */
export interface NoForm {
  readonly error: string;
  readonly status: 400 | 413;
}

const noForm = (error: string): NoForm => ({ error, status: 400 });

/**
 * The fields before the file, and the file as it comes. Fields after it count for nothing (H-75). Of a request that says
 * itself that it is too large nothing is read, and no device is asked.
 */
export function readForm(req: IncomingMessage, limit = uploadLimit): Promise<UploadForm | NoForm> {
  if (Number(req.headers['content-length']) > limit + wrapping)
    return Promise.resolve({ error: tooLarge(limit), status: 413 });
  const { promise, resolve } = Promise.withResolvers<UploadForm | NoForm>();
  const fields = new Map<string, string>();
  let busboy;
  try {
    busboy = new Busboy({
      headers: req.headers as never,
      preservePath: true,
      limits: { fieldSize: 8192, fields: 32, files: 1, fileSize: limit },
    });
  } catch (error) {
    return Promise.resolve(noForm(messageOf(error)));
  }
  let begun = false;
  busboy.on('field', (name, value) => void (begun || fields.set(name, value)));
  busboy.on('file', (name, stream, filename) => {
    // The end of the request in the middle of the file is told by the iteration.
    stream.on('error', () => undefined);
    if (name !== 'file' || begun) return void stream.resume();
    begun = true;
    const checked = check(fields);
    if ('error' in checked) stream.resume();
    resolve(
      'error' in checked
        ? checked
        : {
            fields: checked,
            filename: filename ?? '',
            file: bytesOf(stream, req, limit),
            discard: () => void stream.resume(),
          },
    );
  });
  busboy.on('error', (error) => resolve(noForm(messageOf(error))));
  busboy.on('finish', () => resolve(noForm('file: upload file is required.')));
  req.pipe(busboy);
  req.once('close', () => {
    if (req.complete) return;
    busboy.destroy();
    resolve(noForm('the request was broken off'));
  });
  return promise;
}

async function* bytesOf(
  stream: Readable & { truncated?: boolean },
  req: IncomingMessage,
  limit: number,
): AsyncGenerator<Uint8Array> {
  const broken = (): void => void stream.destroy(new CodedError('bad_request', 'the upload was broken off'));
  req.once('aborted', broken);
  try {
    for await (const bytes of stream as AsyncIterable<Uint8Array>) yield bytes;
    if (stream.truncated) throw new CodedError('too_large', tooLarge(limit));
  } finally {
    req.off('aborted', broken);
  }
}

const tooLarge = (limit: number): string => `file: larger than ${limit} bytes`;

function check(fields: ReadonlyMap<string, string>): UploadForm['fields'] | NoForm {
  const path = fields.get('path') ?? '';
  if (!path) return noForm('path: cannot be blank.');
  if (!path.startsWith('/') || path.length > 4096) return noForm('path: must be absolute.');
  const numbers: { uid?: number; gid?: number; mode?: number } = {};
  for (const [name, base] of [
    ['uid', 10],
    ['gid', 10],
    ['mode', 8],
  ] as const) {
    const text = fields.get(name);
    if (text === undefined || text === '') continue;
    const number = (base === 8 ? /^[0-7]{1,11}$/ : /^\d{1,10}$/).test(text) ? Number.parseInt(text, base) : NaN;
    if (!(number <= 0xffffffff)) return noForm(`${name}: must be ${base === 8 ? 'an octal' : 'a'} number.`);
    numbers[name] = number;
  }
  return { path, ...numbers };
}
