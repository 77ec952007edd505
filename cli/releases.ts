import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { randomUUID } from 'node:crypto';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { codeOf, messageOf } from '#base/errors';
import type { Artifact, DownloadLink, Release } from '#proto/http/deployments';
import { deploymentsV1, deploymentsV2 } from '#proto/http/paths';
import { objectOf } from './answer.ts';
import { failed } from './failure.ts';
import { Refusal, type Http } from './http.ts';
import { pages, type Range } from './paging.ts';

const path = `${deploymentsV2}/deployments/releases`;
const releaseShape = { name: 'string', artifacts: 'array' } as const;
const artifactShape = { id: 'string', name: 'string', device_types_compatible: 'array', size: 'number' } as const;

export const releases = (http: Http, query: Record<string, string | string[] | undefined>, range: Range = {}) =>
  pages<Release>(http, path, releaseShape, { query, what: 'releases' }, range);

export async function readRelease(http: Http, name: string): Promise<Release> {
  const answer = await http.json('GET', `${path}/${encodeURIComponent(name)}`, { what: `release '${name}'` });
  return objectOf<Release>(answer, releaseShape, 'the release');
}

/** All artifacts of these releases. */
export async function deleteReleases(http: Http, names: readonly string[]): Promise<void> {
  await http.request('DELETE', path, { query: { name: names }, what: names.map((name) => `'${name}'`).join(', ') });
}

/** Streams a file to the server; `sent` hears of each piece. The id of the artifact. */
export async function uploadArtifact(
  http: Http,
  file: string,
  { description, sent }: { description?: string | undefined; sent: (count: number) => void },
): Promise<string> {
  const size = await sizeOf(file);
  const boundary = `patchbay-${randomUUID()}`;
  const field = (name: string, value: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  // The file is the last field: the server reads no further (`server-api.md` §2.2.1).
  const head = Buffer.from(
    field('size', String(size)) +
      (description ? field('description', description) : '') +
      `--${boundary}\r\nContent-Disposition: form-data; name="artifact"; filename="${quoted(basename(file))}"\r\n` +
      'Content-Type: application/vnd.mender-artifact\r\n\r\n',
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* form() {
    yield head;
    for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024, end: Math.max(0, size - 1) })) {
      sent((chunk as Buffer).length);
      yield chunk as Buffer;
    }
    yield tail;
  }
  const body = Readable.toWeb(Readable.from(form(), { objectMode: false })) as ReadableStream<Uint8Array>;
  const headers = {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    'content-length': String(head.length + size + tail.length),
  };
  try {
    const response = await http.request('POST', `${deploymentsV1}/artifacts`, {
      body,
      headers,
      timeout: 0,
      what: basename(file),
    });
    return response.headers.get('location')?.split('/').at(-1) ?? '';
  } catch (error) {
    if (error instanceof Refusal && error.status === 409) throw conflict(file, error);
    throw codeOf(error) === 'unreachable' ? await whyCutOff(http, file, error) : error;
  }
}

/**
 * A server that refuses an upload need not read it to its end, and what it answers may be lost with the connection. An
 * empty upload is refused for the same reason, and in full.
 */
async function whyCutOff(http: Http, file: string, cause: unknown): Promise<unknown> {
  const what = basename(file);
  const why = await http.request('POST', `${deploymentsV1}/artifacts`, { what }).catch((error: unknown) => error);
  if (why instanceof Refusal && why.status !== 400 && why.status !== 415) return why;
  if (codeOf(why) === 'unreachable') return why;
  return failed(`${what}: the server ended the connection before it had all of it: try again`, { cause });
}

const conflict = (file: string, cause: Refusal) =>
  failed(`${basename(file)}: the server has an artifact of this name for these devices already (${cause.message})`, {
    cause,
  });

const quoted = (name: string) => name.replaceAll(/["\r\n]/g, '_');

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((error: unknown) => {
    throw failed(codeOf(error) === 'ENOENT' ? `there is no file ${file}` : messageOf(error), { cause: error });
  });
  if (!found.isFile()) throw failed(`${file} is no file`);
  if (!found.size) throw failed(`${file} is empty: an artifact is not`);
  return found.size;
}

/** The artifact meant by its id, or by a release's name if it has one only (for that device type). */
export async function findArtifact(http: Http, wanted: string, deviceType?: string): Promise<Artifact> {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(wanted)) {
    try {
      const answer = await http.json('GET', `${deploymentsV1}/artifacts/${wanted}`, { what: `artifact ${wanted}` });
      return objectOf<Artifact>(answer, artifactShape, 'the artifact');
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 404)) throw error;
    }
  }
  const { artifacts } = await readRelease(http, wanted);
  const fitting = artifacts.filter((one) => !deviceType || one.device_types_compatible.includes(deviceType));
  const [first, second] = fitting;
  if (!first) throw failed(`release '${wanted}' has no artifact${deviceType ? ` for ${deviceType}` : ''}`);
  if (!second) return first;
  const ids = fitting.map((one) => `${one.id} (${one.device_types_compatible.join(', ')})`).join(', ');
  throw failed(`release '${wanted}' has several artifacts: name a --device-type or one of ${ids}`);
}

/** Streams an artifact into a file, which appears only when it is complete; `got` hears of each piece. */
export async function downloadArtifact(
  http: Http,
  artifact: Artifact,
  file: string,
  got: (count: number) => void,
): Promise<void> {
  const answer = await http.json('GET', `${deploymentsV1}/artifacts/${artifact.id}/download`, { what: artifact.name });
  const { uri } = objectOf<DownloadLink>(answer, { uri: 'string' }, 'the download');
  const response = await http.get(uri);
  if (!response.body) throw failed(`the server sent nothing for ${artifact.name}`);
  let size = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _, next) {
      size += chunk.length;
      got(chunk.length);
      next(null, chunk);
    },
  });
  const part = `${file}.part`;
  try {
    const body = Readable.fromWeb(response.body);
    await pipeline(body, counted, createWriteStream(part, { flags: 'wx' }), { signal: http.options.signal });
    if (size !== artifact.size) throw failed(`it is ${size} bytes long and not ${artifact.size}`);
    await rename(part, file);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw failed(`${part} is there already: remove it`, { cause: error });
    await rm(part, { force: true });
    throw failed(`${artifact.name} was not downloaded: ${messageOf(error)}`, { cause: error });
  }
}
