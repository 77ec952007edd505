import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type RequestOptions } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { CodedError } from '#base/errors';

export interface TokenTls {
  /** PEM file of the client certificate. */
  readonly certificate: string;
  /** PKCS#11 URI of its key. */
  readonly key: string;
  readonly engine?: string;
  /** PEM file of further CAs. */
  readonly trusted?: string;
  readonly verify: boolean;
}

/** The system's CA store, which `openssl` leaves aside once it is given a file. */
const systemStore = '/etc/ssl/certs';

/** Both directions over one socket, which a standard stream of a child is not. */
const speak = 'exec openssl s_client "$@" <&3 >&3 3>&-';

/**
 * TLS whose client key never leaves its token. Node has no way to such a key, so `openssl s_client` speaks TLS and we
 * speak HTTP through it. One process a connection, no proxies.
 */
export class TokenAgent extends Agent {
  readonly #tls: TokenTls;
  /** Empty: by a provider of OpenSSL. Asked once, and again after a failure: a token may be plugged in at any time. */
  #engine: Promise<string> | undefined;
  constructor(tls: TokenTls) {
    super({ keepAlive: false });
    this.#tls = tls;
  }

  override createConnection(options: RequestOptions, done?: (error: Error | null, socket: Duplex) => void): undefined {
    const asked = (this.#engine ??= engineFor(this.#tls));
    const forget = () => {
      if (this.#engine === asked) this.#engine = undefined;
    };
    void asked.then((engine) => done?.(null, this.#connect(options, engine, forget)));
  }

  #connect(options: RequestOptions, engine: string, failed: () => void): Socket {
    const { certificate, key, trusted, verify } = this.#tls;
    const host = (options.host ?? 'localhost').replaceAll(/^\[|\]$/g, '');
    const name = isIP(host) ? ['-verify_ip', host, '-noservername'] : ['-verify_hostname', host, '-servername', host];
    const args = [
      ['-quiet', '-connect', `${isIP(host) === 6 ? `[${host}]` : host}:${options.port ?? 443}`],
      ['-cert', certificate, '-key', key],
      engine === '' ? [] : ['-engine', engine, '-keyform', 'engine'],
      verify ? ['-verify_return_error', ...name] : name.slice(2),
      trusted === undefined ? [] : ['-CAfile', trusted, '-CApath', systemStore],
    ].flat();
    const child = spawn('sh', ['-c', speak, 'sh', ...args], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
    const socket = child.stdio[3] as Socket;
    let said = '';
    (child.stderr as Readable).setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 8192) said += text;
    });
    const ended = Promise.all([once(child, 'exit'), once(child.stderr as Readable, 'end')]);
    ended.catch((error: Error) => socket.destroy(error)); // it never started
    // What openssl says on its way out says more than the reset of the socket that it leaves behind.
    const destroy = socket._destroy.bind(socket);
    socket._destroy = (cause, finish) => {
      if (cause) failed();
      child.kill(cause ? 'SIGTERM' : 'SIGKILL');
      const leave = async () => {
        await ended.catch(() => undefined);
        const reason = complaintOf(said);
        destroy(cause && reason ? new CodedError('tls', `TLS with a key in a token: ${reason}`) : cause, finish);
      };
      void leave();
    };
    return socket;
  }
}

/** The engine that is named; else none if a provider that OpenSSL's own configuration has knows the key; else `pkcs11`. */
function engineFor({ engine, key }: TokenTls): Promise<string> {
  if (engine !== undefined) return Promise.resolve(engine);
  return new Promise((resolve) => {
    const args = ['pkey', '-in', key, '-passin', 'pass:', '-noout'];
    const child = execFile('openssl', args, { timeout: 60_000 }, (error) => resolve(error ? 'pkcs11' : ''));
    child.stdin?.on('error', () => undefined);
    child.stdin?.end();
  });
}

/** What of openssl's many lines says why. Never the URI: it may hold the PIN. */
function complaintOf(text: string): string | undefined {
  const lines = text.split('\n').map((line) => line.replaceAll(/pkcs11:\S*/gi, 'pkcs11:…').trim());
  const verify = lines.find((line) => line.startsWith('verify error:num='));
  const failed = lines.find((line) =>
    /error:|no such engine|could not load|[Cc]ould not (read|find)|refused|not found/.test(line),
  );
  const reason = verify?.replace(/^verify error:num=\d+:/, '') ?? failed?.split(':').slice(-4).join(':');
  return reason?.slice(0, 200);
}
