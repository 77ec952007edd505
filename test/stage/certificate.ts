import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
  /** The certificate itself, to be trusted. */
  readonly ca: string;
}

/** A self-signed certificate for 127.0.0.1, as files `NAME.pem` and `NAME.key` in a folder. */
export async function makeCertificate(folder: string, name: string): Promise<CertificatePair> {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  await promisify(execFile)('openssl', [...request, ...names, '-keyout', key, '-out', cert]);
  return { cert, key, ca: await readFile(cert, 'utf8') };
}
