import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type RequestOptions } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
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

/**
 * Both directions over one socket, which a standard stream of a child is not. $1: the engine, empty where the
 * configuration names none: then a provider that OpenSSL's own configuration has, else the engine `pkcs11`. $2: the key.
 */
const speak = `engine=$1 key=$2; shift 2
if [ -z "$engine" ] && ! openssl pkey -in "$key" -passin pass: -noout </dev/null >/dev/null 2>&1; then engine=pkcs11; fi
[ -z "$engine" ] || set -- "$@" -engine "$engine" -keyform engine
exec openssl s_client "$@" -key "$key" <&3 >&3 3>&-`;

/**
 * TLS whose client key never leaves its token. Node has no way to such a key, so `openssl s_client` speaks TLS and we
 * speak HTTP through it. One process a connection, no proxies.
 */
export class TokenAgent extends Agent {
  readonly #tls: TokenTls;
  constructor(tls: TokenTls) {
    super({ keepAlive: false });
    this.#tls = tls;
  }

  override createConnection(options: RequestOptions): Socket {
    const { certificate, key, engine = '', trusted, verify } = this.#tls;
    const host = (options.host ?? 'localhost').replaceAll(/^\[|\]$/g, '');
    const name = isIP(host) ? ['-verify_ip', host, '-noservername'] : ['-verify_hostname', host, '-servername', host];
    const args = [
      ['-quiet', '-connect', `${isIP(host) === 6 ? `[${host}]` : host}:${options.port ?? 443}`],
      ['-cert', certificate],
      verify ? ['-verify_return_error', ...name] : name.slice(2),
      trusted === undefined ? [] : ['-CAfile', trusted, '-CApath', systemStore],
    ].flat();
    const child = spawn('sh', ['-c', speak, 'sh', engine, key, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
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

/** What of openssl's many lines says why. Never the URI: it may hold the PIN. */
function complaintOf(text: string): string | undefined {
  const lines = text.split('\n').map((line) => line.replaceAll(/pkcs11:\S*/gi, 'pkcs11:…').trim());
  const verify = lines.find((line) => line.startsWith('verify error:num='));
  const failed = lines.find((line) =>
    /error:|no such engine|could not load|[Cc]ould not (read|find)|refused/.test(line),
  );
  const reason = verify?.replace(/^verify error:num=\d+:/, '') ?? failed?.split(':').slice(-4).join(':');
  return reason?.slice(0, 200);
}
