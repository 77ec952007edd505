import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { getCACertificates, rootCertificates } from 'node:tls';
import type { Readable } from 'node:stream';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { isToken } from './auth/pkcs11.ts';
import type { Config } from './config.ts';
import { TokenAgent } from './token-tls.ts';
import { version } from './version.ts';

export interface TransportOptions {
  /** Further CA certificates, PEM file. Wins over `ServerCertificate`. */
  readonly trustedCerts?: string;
  readonly skipVerify?: boolean;
  /** The environment's proxy variables (`update-client.md` §8.1). */
  readonly proxies?: Readonly<Record<string, string | undefined>>;
}

export interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** ms without a byte until the request fails; 5 min. */
  readonly idle?: number;
}

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Readable;
}

/** HTTP with the TLS and proxy settings of the configuration. No redirect is ever followed. */
export class Transport {
  readonly #http: http.Agent;
  readonly #https: () => https.Agent;
  constructor(config: Config, options: TransportOptions, log: Log) {
    const proxyEnv = proxySettings(options.proxies ?? {});
    this.#http = new http.Agent({ keepAlive: false, ...proxyEnv });
    let agent: https.Agent | undefined;
    // The CA store is large and slow to parse: only once something speaks TLS.
    this.#https = () =>
      (agent ??=
        tokenAgent(config, options) ??
        new https.Agent({ keepAlive: false, ...tlsSettings(config, options, log), ...proxyEnv }));
  }

  /** The agent for a URL, for who speaks HTTP itself (the forwarder). */
  agentFor(url: URL): http.Agent {
    return url.protocol === 'https:' ? this.#https() : this.#http;
  }

  /** The answer's head; its body is still to be read (or destroyed). Rejects on transport errors. */
  request(url: string | URL, options: Request = {}): Promise<Reply> {
    const target = new URL(url);
    const { method = 'GET', headers = {}, body, signal, idle = 300_000 } = options;
    const { request } = target.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const out = request(target, {
        method,
        agent: this.agentFor(target),
        headers: {
          'User-Agent': `Mender/${version} Patchbay`,
          ...headers,
          ...(body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
        },
        ...(signal ? { signal } : {}),
      });
      out.setTimeout(idle, () => out.destroy(new CodedError('timeout', `no answer from ${target.host} in time`)));
      out.on('error', (error) =>
        reject(
          new CodedError('transport', `${method} ${target.origin}${target.pathname}: ${explain(error)}`, {
            cause: error,
          }),
        ),
      );
      out.on('response', (answer) => {
        answer.on('error', () => undefined); // whoever reads it hears of it; nobody else may die of it
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
      });
      out.end(body);
    });
  }
}

/** The whole body as text; throws `too_large` above `limit` bytes. */
export async function textOf(reply: Reply, limit = 1024 * 1024): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of reply.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new CodedError('too_large', `answer larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A wrong clock is the commonest reason of all for these two: say so. */
function explain(error: Error): string {
  const code = (error as { code?: string }).code;
  const reason = messageOf(error) || code || 'failed';
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED')
    return `${reason} (this device's clock says ${new Date().toISOString()})`;
  return reason;
}

/** The agent for a client certificate whose key is in a token. */
function tokenAgent(config: Config, options: TransportOptions): TokenAgent | undefined {
  const { Certificate, Key, SSLEngine } = config.HttpsClient ?? {};
  if (Certificate === undefined || Key === undefined || !isToken(Key)) return undefined;
  const trusted = options.trustedCerts ?? config.ServerCertificate;
  return new TokenAgent({
    certificate: Certificate,
    key: Key,
    verify: !(options.skipVerify || config.SkipVerify),
    ...(SSLEngine === undefined ? {} : { engine: SSLEngine }),
    ...(trusted === undefined ? {} : { trusted }),
  });
}

function tlsSettings(config: Config, options: TransportOptions, log: Log): https.AgentOptions {
  const system = getCACertificates('system');
  const ca = [...(system.length > 0 ? system : rootCertificates)];
  const extra = options.trustedCerts ?? config.ServerCertificate;
  if (extra !== undefined) {
    try {
      ca.push(readFileSync(extra, 'utf8'));
    } catch (error) {
      log.warn('server certificate unreadable, system store only', { file: extra, error: messageOf(error) });
    }
  }
  const { Certificate, Key } = config.HttpsClient ?? {};
  return {
    ca,
    rejectUnauthorized: !(options.skipVerify || config.SkipVerify),
    ...(Certificate && Key ? { cert: readFileSync(Certificate), key: readFileSync(Key) } : {}),
  };
}

/** Node's own proxy support from the variables as Mender's client takes them: `no_proxy` is separated by blanks there. */
function proxySettings(env: Readonly<Record<string, string | undefined>>): { proxyEnv?: Record<string, string> } {
  const pick = (name: string): string | undefined => {
    const [lower, upper] = [env[name], env[name.toUpperCase()]];
    if (lower && upper && lower !== upper)
      throw new CodedError('config', `both ${name} and ${name.toUpperCase()} are set: keep one`);
    return lower || upper || undefined;
  };
  const [plain, secure, none] = [pick('http_proxy'), pick('https_proxy'), pick('no_proxy')];
  if (!plain && !secure) return {};
  for (const proxy of [plain, secure]) {
    if (proxy && new URL(proxy).pathname !== '/') throw new CodedError('config', `proxy with a path: ${proxy}`);
  }
  const exceptions = (none ?? '').split(/[\s,]+/).filter(Boolean);
  return {
    proxyEnv: {
      ...(plain ? { HTTP_PROXY: plain } : {}),
      ...(secure ? { HTTPS_PROXY: secure } : {}),
      ...(exceptions.length > 0 ? { NO_PROXY: exceptions.join(',') } : {}),
    },
  };
}
