import type { IncomingMessage } from 'node:http';
import { Busboy, type BusboyFileStream } from '@fastify/busboy';
import { CodedError, messageOf } from '#base/errors';
import { badRequest, HttpError } from '../errors.ts';

export interface FormRules {
  /** Name of the field that holds the file, lower case. It comes last: what follows it is never looked at. */
  readonly file: string;
  /** Largest request, bytes. */
  readonly limit: number;
}

/** All fields that are no file together, bytes (`server-api.md` §2.2.1). */
const fieldsLimit = 1024 * 1024;
/** Delimiters and part headers of a form. */
const framing = 64 * 1024;
const bufferSize = 64 * 1024;

/**
 * Reads a multipart form: `consume` gets the fields before the file, by lower-case name, the file's bytes, which are
 * read from the socket only as fast as it takes them. If the client goes away or the form is broken, the bytes throw.
 */
export async function readForm<T>(
  req: IncomingMessage,
  rules: FormRules,
  consume: (fields: ReadonlyMap<string, string>, file: AsyncIterable<Uint8Array>, filename: string) => Promise<T>,
): Promise<T> {
  const type = req.headers['content-type'] ?? '';
  if (!/^multipart\/(form-data|mixed)\s*(;|$)/i.test(type))
    throw new HttpError('unsupported_media_type', 'Content-Type must be multipart/form-data');
  if (Number(req.headers['content-length'] ?? 0) > rules.limit + fieldsLimit + framing) throw tooLarge(rules.limit);
  const busboy = open(type, rules.file);
  let file: BusboyFileStream | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      // Once the file is being consumed its consumer must learn of a failure first, and clean up.
      let failed = false;
      const fail = (error: Error): void => {
        failed = true;
        if (file) file.destroy(error);
        else reject(error);
      };
      const fields = new Map<string, string>();
      let fieldBytes = 0;
      busboy.on('field', (name: string | undefined, value, _nameCut, cut) => {
        fieldBytes += value.length;
        if (cut || fieldBytes > fieldsLimit)
          fail(new HttpError('too_large', `the form's fields are larger than ${fieldsLimit} bytes`));
        else if (name !== undefined) fields.set(name.toLowerCase(), value);
      });
      busboy.on('file', (_name, stream, filename?: string) => {
        stream.on('error', () => undefined);
        // What it has at hand it parses on, whatever has happened before.
        if (failed) {
          stream.resume();
          return;
        }
        file = stream;
        void Promise.try(consume, fields, bytesOf(stream), filename ?? '').then(resolve, reject);
      });
      busboy.on('error', (error) => fail(badRequest(`the form cannot be read: ${messageOf(error)}`)));
      busboy.on('finish', () => {
        if (!file) reject(badRequest(`request does not contain the ${rules.file} file`));
      });
      const gone = (): void => fail(badRequest('the connection ended before the form did'));
      req.on('error', gone).on('close', () => {
        if (!req.complete) gone();
      });
      req.pipe(busboy);
    });
  } finally {
    req.unpipe(busboy);
    req.resume();
  }
}

/** The file's bytes; what the parser says of a form that breaks off is the client's fault. */
async function* bytesOf(stream: BusboyFileStream): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw error instanceof CodedError ? error : badRequest(`the form cannot be read: ${messageOf(error)}`);
  }
}

export const tooLarge = (limit: number): HttpError =>
  new HttpError('too_large', `the file is larger than the limit of ${limit} bytes`);

function open(type: string, file: string) {
  try {
    return new Busboy({
      // It knows this one kind only; the parts are the same.
      headers: { 'content-type': type.replace(/^multipart\/mixed/i, 'multipart/form-data') },
      isPartAFile: (name) => name?.toLowerCase() === file,
      highWaterMark: bufferSize,
      fileHwm: bufferSize,
      limits: { fields: 100, files: 1, fieldSize: fieldsLimit, headerPairs: 100, headerSize: 16 * 1024 },
    });
  } catch (error) {
    throw badRequest(`the form cannot be read: ${messageOf(error)}`);
  }
}
