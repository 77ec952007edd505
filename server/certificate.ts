import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import { setTimeout as pause } from 'node:timers/promises';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Between two looks at the files, ms: not watched, because links that are turned elsewhere tell no watcher. */
const interval = 2000;

/** What TLS is served with, and its replacement when the files change. */
export class Certificate {
  readonly #files: CertificateFiles;
  #seen: string;
  #ends: number;

  private constructor(files: CertificateFiles, seen: string, ends: number) {
    this.#files = files;
    this.#seen = seen;
    this.#ends = ends;
  }

  /** Reads the files. Throws `usage` for a pair that cannot be used. */
  static async open(files: CertificateFiles): Promise<{ certificate: Certificate; cert: Buffer; key: Buffer }> {
    const seen = await stateOf(files);
    const { cert, key, ends } = await read(files);
    return { certificate: new Certificate(files, seen, ends), cert, key };
  }

  /** When it ends, ms since the epoch. */
  get ends(): number {
    return this.#ends;
  }

  /**
   * Gives `server` the new certificate whenever the files have changed, until the signal. Open connections go on (ask-41);
   * a pair that does not fit, such as one of which only half is there yet, leaves the old one in place (ask-42).
   */
  async follow(
    server: Pick<Server, 'setSecureContext'>,
    log: Log,
    signal: AbortSignal,
    every = interval,
  ): Promise<void> {
    let complained = '';
    while (!signal.aborted) {
      await pause(every, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const seen = await stateOf(this.#files);
      if (seen === this.#seen) continue;
      try {
        const { cert, key, ends } = await read(this.#files);
        server.setSecureContext({ cert, key });
        this.#ends = ends;
        this.#seen = seen;
        log.info('certificate replaced', { file: this.#files.cert, ends: new Date(ends).toISOString() });
      } catch (error) {
        if (seen !== complained)
          log.error('new certificate not usable, the old one stays', { error: messageOf(error) });
        complained = seen;
      }
    }
  }
}

async function read({ cert: certFile, key: keyFile }: CertificateFiles) {
  try {
    const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
    createSecureContext({ cert, key });
    return { cert, key, ends: Date.parse(new X509Certificate(cert).validTo) };
  } catch (error) {
    throw new CodedError(
      'usage',
      `cannot use the certificate ${certFile} with the key ${keyFile}: ${messageOf(error)}`,
    );
  }
}

/** What a change of the files changes. */
async function stateOf({ cert, key }: CertificateFiles): Promise<string> {
  const states = await Promise.all(
    [cert, key].map((file) =>
      stat(file).then(
        ({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`,
        () => 'missing',
      ),
    ),
  );
  return states.join(', ');
}
