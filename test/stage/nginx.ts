import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { CertificatePair } from './certificate.ts';
import { eventually, Program } from './program.ts';

const docs = join(import.meta.dirname, '..', '..', 'docs', 'administration.md');

/**
 * Starts the nginx of a Debian package with the configuration that the administrator's page shows, ports and files apart;
 * `extra` goes into its `server` block.
 */
export async function startNginx(
  root: string,
  folder: string,
  {
    port,
    upstream,
    certificate,
    extra = '',
  }: { port: number; upstream: number; certificate: CertificatePair; extra?: string },
): Promise<Program> {
  const shown = /```nginx\n([^]*?)```/.exec(await readFile(docs, 'utf8'))?.[1] ?? '';
  const site = shown
    .replace('127.0.0.1:8080', `127.0.0.1:${upstream}`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replace('/etc/ssl/patchbay.pem', certificate.cert)
    .replace('/etc/ssl/patchbay.key', certificate.key)
    .replace('  location /', `  ${extra}\n  location /`);
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (use) => `${use}_temp_path ${folder}/${use};`,
  );
  await mkdir(folder, { recursive: true });
  const main = ['daemon off;', 'master_process off;', `pid ${folder}/pid;`, 'error_log stderr warn;', 'events {}'];
  const conf = join(folder, 'nginx.conf');
  await writeFile(conf, `${main.join('\n')}\nhttp {\naccess_log off;\n${scratch.join('\n')}\n${site}}\n`);
  const program = new Program('nginx', join(root, 'usr', 'sbin', 'nginx'), ['-p', folder, '-c', conf, '-e', 'stderr']);
  await eventually('nginx listens', async () => {
    if (!program.running) throw new Error(program.tail());
    return await answers(port);
  });
  return program;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whatever it says: a plain request to a TLS port is 400. */
const answers = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/`).then(
    () => true,
    () => false,
  );
