import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { connect } from 'node:net';
import * as tls from 'node:tls';
import { messageOf } from '#base/errors';
import type { Finding } from './judge.ts';
import { cleaned } from './programs.ts';
import type { CheckOf } from './system-looks.ts';
import { unknown, well, type Watched } from './watched.ts';

const defaultTimeout = 10;
/** Of an answer's body, bytes: a text is looked for in its beginning. */
const bodyLimit = 256 * 1024;
const day = 86_400_000;

/** Whether a TCP connection can be made. */
export function network(check: CheckOf<'network'>): Watched {
  const { host, port, timeout = defaultTimeout, level = 'CRITICAL' } = check;
  const where = `${host}:${port}`;
  return {
    title: `${where} cannot be reached`,
    flappingTitle: `Connection to ${where} going up and down`,
    subject: { name: where, type: 'network' },
    async look(signal) {
      const began = performance.now();
      const error = await dial(host, port, timeout, signal);
      if (error) return { level, status: 'unreachable', description: error };
      return well('reachable', `connected within ${Math.round(performance.now() - began)} ms`);
    },
  };
}

function dial(host: string, port: number, timeout: number, signal: AbortSignal): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({ host, port, signal });
  socket.setTimeout(timeout * 1000, () => resolve(`no answer within ${timeout} s`));
  socket.once('connect', () => resolve(undefined));
  socket.once('error', (error) => resolve(error.message));
  return promise.finally(() => socket.destroy());
}

/** Whether a web server answers as it should. Redirects are not followed: they are an answer. */
export function httpAnswer(check: CheckOf<'http'>): Watched {
  const { url, status, contains, timeout = defaultTimeout, level = 'CRITICAL' } = check;
  const shown = withoutSecret(url);
  return {
    title: `${shown} does not answer as it should`,
    flappingTitle: `Answers of ${shown} going up and down`,
    subject: { name: shown, type: 'http' },
    async look(signal) {
      const began = performance.now();
      try {
        const answer = await request(
          url,
          contains !== undefined,
          AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]),
        );
        const bad = (description: string): Finding => ({ level, status: String(answer.status), description });
        if (status === undefined ? answer.status >= 400 : answer.status !== status)
          return bad(`answered ${answer.status}, wanted was ${status ?? 'less than 400'}`);
        if (contains !== undefined && !answer.body.includes(contains))
          return bad(`its answer does not contain '${contains}'`);
        return well(
          String(answer.status),
          `answered ${answer.status} within ${Math.round(performance.now() - began)} ms`,
        );
      } catch (error) {
        const late =
          (error as { name?: unknown }).name === 'TimeoutError' || performance.now() - began >= timeout * 1000;
        return { level, status: 'unreachable', description: late ? `no answer within ${timeout} s` : messageOf(error) };
      }
    },
  };
}

function request(url: string, wantsBody: boolean, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const call = (url.startsWith('https:') ? https : http).request(url, {
    signal,
    agent: false,
    headers: { 'User-Agent': 'patchbay-monitor' },
  });
  call.once('error', reject);
  call.once('response', (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (): void => {
      resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      call.destroy();
    };
    response.once('error', reject);
    if (!wantsBody) return finish();
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= bodyLimit) finish();
    });
    response.once('end', finish);
  });
  call.end();
  return promise;
}

/** A user and a password in a URL are for the request only. */
function withoutSecret(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.username = parsed.password = '';
    return parsed.href;
  } catch {
    return url;
  }
}

/** How long a certificate is good for: that of a TLS server, or the first of a PEM file. */
export function certificate(check: CheckOf<'certificate'>): Watched {
  const { host, port = 443, file, days = 14, level = 'CRITICAL' } = check;
  const what = file ?? `${host}:${port}`;
  return {
    title: `Certificate of ${what} ends in fewer than ${days} days`,
    flappingTitle: `Certificate of ${what} going up and down`,
    subject: { name: what, type: 'certificate' },
    async look(signal) {
      let end: Date;
      try {
        end =
          file === undefined
            ? await endOf(host ?? '', port, signal)
            : new Date(new X509Certificate(readFileSync(file)).validTo);
      } catch (error) {
        return unknown(messageOf(error));
      }
      const left = Math.floor((end.getTime() - Date.now()) / day);
      const description =
        left < 0 ? `it ended on ${end.toISOString()}` : `it is good for ${left} more days, until ${end.toISOString()}`;
      return left < days
        ? { level, status: left < 0 ? 'expired' : 'expires', description }
        : well('valid', description);
    },
  };
}

/** Whether it is trusted is not asked here: when it ends is. */
function endOf(host: string, port: number, signal: AbortSignal): Promise<Date> {
  const { promise, resolve, reject } = Promise.withResolvers<Date>();
  const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
  const socket = tls.connect({ host, port, ...name, rejectUnauthorized: false });
  socket.setTimeout(defaultTimeout * 1000, () => reject(new Error(`no answer within ${defaultTimeout} s`)));
  socket.once('error', reject);
  socket.once('secureConnect', () => {
    const { valid_to: end } = socket.getPeerCertificate();
    if (end) resolve(new Date(end));
    else reject(new Error('it has shown no certificate'));
  });
  const stop = (): void => reject(new Error('stopped'));
  signal.addEventListener('abort', stop, { once: true });
  return promise.finally(() => {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  });
}

export const shortened = (text: string, limit = 1024): string =>
  cleaned(text.length > limit ? `${text.slice(0, limit)}…` : text);
