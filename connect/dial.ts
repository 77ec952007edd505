import { readFileSync } from 'node:fs';
import { Agent, request as plainRequest, type AgentOptions, type ClientRequestArgs } from 'node:http';
import { isIP, connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  rootCertificates,
  type SecureContext,
} from 'node:tls';
import type { ClientOptions } from 'ws';
import type { Answer, Question } from '#addon/device';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { ask, type Way } from './ask.ts';

/** Variables of the process; those of proxies count. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface DialOptions {
  readonly env: Environment;
  /** PEM file with further CA certificates; undefined: those of the system only. */
  readonly certificate: string | undefined;
  readonly log: Log;
}

/** How this device reaches its server: through which proxy, and whose certificates it believes. */
export interface Dial {
  /** For the WebSocket to a server. Throws `invalid_proxy`. */
  socket(server: URL): ClientOptions;
  ask(url: URL, question?: Question): Promise<Answer>;
}

/** For a proxy to answer, ms. */
const answerTime = 30_000;

/**
 * Proxies by `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in capitals or not, as the reference has them of Go's library
 * (`connect-protocol.md` §1.3, 7); the certificates of the system and those of `ServerCertificate`.
 */
export function dialer({ env, certificate, log }: DialOptions): Dial {
  let trusted: SecureContext | undefined;
  // Reading all of the system's certificates takes its time: once, and only where something speaks TLS.
  const secureContext = (): SecureContext =>
    (trusted ??= createSecureContext({ ca: trustedCertificates(certificate, log) }));
  const way = (server: URL): Way => {
    const secure = /^(https|wss):$/.test(server.protocol);
    const proxy = proxyFor(server, env);
    const tls = secure ? { secureContext: secureContext() } : {};
    return proxy ? { ...tls, agent: new TunnelAgent(proxy, secure) } : tls;
  };
  return { socket: way, ask: async (url, question) => await ask(url, way(url), question) };
}

/** The proxy on the way to a URL; undefined: none. Loopback is never behind one: Mender's own client listens there. */
export function proxyFor(target: URL, env: Environment): URL | undefined {
  const name = /^(https|wss):$/.test(target.protocol) ? 'https_proxy' : 'http_proxy';
  const text = env[name] || env[name.toUpperCase()];
  const host = target.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!text || host === 'localhost' || host === '::1' || host.startsWith('127.')) return undefined;
  const port = target.port || (name === 'https_proxy' ? '443' : '80');
  const exceptions = (env['no_proxy'] || env['NO_PROXY'] || '').split(/[\s,]+/).filter(Boolean);
  if (exceptions.some((exception) => excludes(exception, host, port))) return undefined;
  const spelt = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(spelt) || !/^https?:$/.test(new URL(spelt).protocol))
    throw new CodedError('invalid_proxy', `${name.toUpperCase()} is no proxy: write it as http://HOST:PORT`);
  return new URL(spelt);
}

/** `*`, an address, a domain (with all below it; with a dot before it only those below), each with a port or without. */
function excludes(exception: string, host: string, port: string): boolean {
  if (exception === '*') return true;
  const [, name = exception, only] = isIP(exception) ? [] : (/^(.*?)(?::(\d+))?$/.exec(exception) ?? []);
  if (only !== undefined && only !== port) return false;
  const domain = name
    .toLowerCase()
    .replace(/^\*\./, '.')
    .replace(/^\[(.*)\]$/, '$1');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

function trustedCertificates(file: string | undefined, log: Log): string[] {
  const system = getCACertificates('system');
  const all = [...(system.length > 0 ? system : rootCertificates), ...getCACertificates('extra')];
  if (file === undefined) return all;
  try {
    return [...all, readFileSync(file, 'utf8')];
  } catch (error) {
    log.warn('server certificate unreadable, system store only', { file, error: messageOf(error) });
    return all;
  }
}

type Created = (error: Error | null, stream: Duplex) => void;

/** Joins through a proxy by CONNECT, plain or not: a proxy that forwards requests would not let an upgrade through. */
class TunnelAgent extends Agent {
  readonly #proxy: URL;
  readonly #secure: boolean;

  constructor(proxy: URL, secure: boolean, options?: AgentOptions) {
    super(options);
    this.#proxy = proxy;
    this.#secure = secure;
  }

  // The agent of plain HTTP would refuse `https:` though it does as well here.
  get protocol(): string {
    return this.#secure ? 'https:' : 'http:';
  }
  get defaultPort(): number {
    return this.#secure ? 443 : 80;
  }
  set protocol(_: string) {}
  set defaultPort(_: number) {}

  override createConnection(target: ClientRequestArgs & Pick<Way, 'secureContext'>, created: Created): undefined {
    const host = String(target.host);
    const port = Number(target.port ?? this.defaultPort);
    const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const proxy = this.#proxy;
    const name = proxy.hostname.replace(/^\[(.*)\]$/, '$1');
    const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    const asking = plainRequest({
      method: 'CONNECT',
      path: where,
      headers: {
        Host: where,
        ...(proxy.username ? { 'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}` } : {}),
      },
      createConnection: () =>
        proxy.protocol === 'https:'
          ? connectTls({ host: name, port: Number(proxy.port || 443), ...(isIP(name) ? {} : { servername: name }) })
          : connectTcp(Number(proxy.port || 80), name),
    });
    const fail = (why: string): void =>
      created(new CodedError('proxy', `the proxy ${proxy.host} ${why}`), undefined as unknown as Duplex);
    const late = setTimeout(() => asking.destroy(new Error('it does not answer')), answerTime);
    asking.on('close', () => clearTimeout(late));
    asking.once('error', (error) => fail(`cannot be used: ${messageOf(error)}`));
    asking.once('response', (response) => {
      asking.destroy();
      fail(`refused to join with ${where}: it answered ${response.statusCode}`);
    });
    asking.once('connect', (response, socket: Socket, head) => {
      clearTimeout(late);
      if (response.statusCode !== 200) {
        socket.destroy();
        return fail(`refused to join with ${where}: it answered ${response.statusCode}`);
      }
      if (head.length > 0) socket.unshift(head);
      if (!this.#secure) return created(null, socket);
      const servername = isIP(host) ? {} : { servername: host };
      const tls = connectTls({
        socket,
        secureContext: target.secureContext,
        ALPNProtocols: ['http/1.1'],
        ...servername,
      });
      const broken = (error: Error): void => created(error, undefined as unknown as Duplex);
      tls.once('error', broken);
      tls.once('secureConnect', () => {
        tls.off('error', broken);
        created(null, tls);
      });
    });
    asking.end();
    return undefined;
  }
}
