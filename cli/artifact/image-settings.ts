import { writeFile } from 'node:fs/promises';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Context } from './context.ts';
import { misuse } from './exit.ts';
import { ExtImage, isExtImage } from './ext-image.ts';
import { input } from './inputs.ts';

/** What `modify` writes into the image of a root file system. */
export interface ImageOptions {
  readonly artifactName?: string | undefined;
  readonly serverUri?: string;
  readonly serverCert?: string;
  readonly verificationKey?: string;
  readonly tenantToken?: string;
}

const settingsFile = '/etc/mender/mender.conf';

/** Whether something is asked for that only an image can take. */
export function wantsImage({ serverUri, serverCert, verificationKey, tenantToken }: ImageOptions): boolean {
  return [serverUri, serverCert, verificationKey, tenantToken].some((option) => option !== undefined);
}

/** Writes the settings into the image at `image`, which is in a scratch folder. True: it has changed. */
export async function changeImage(
  label: string,
  image: string,
  options: ImageOptions,
  context: Context,
): Promise<boolean> {
  if (options.artifactName === undefined && !wantsImage(options)) return false;
  if (!(await isExtImage(image))) {
    if (wantsImage(options))
      throw misuse(`${label}: the image is not ext2, ext3 or ext4, so nothing can be written into it`);
    context.terminal.diagnostics.write(
      `warning: ${label}: the image is not ext4, the name inside it stays as it was\n`,
    );
    return false;
  }
  const files = new ExtImage(image, label);
  const scratch = dirname(image);
  const put = async (path: string, content: string | Buffer) => {
    const copy = join(scratch, 'debugfs-write');
    await writeFile(copy, content);
    await files.write(copy, path);
  };
  if (options.artifactName !== undefined)
    await put('/etc/mender/artifact_info', `artifact_name=${options.artifactName}\n`);
  if (options.serverCert !== undefined) await put('/etc/mender/server.crt', await content(options.serverCert));
  if (options.verificationKey !== undefined)
    await put('/etc/mender/artifact-verify-key.pem', await content(options.verificationKey));
  const settings = {
    ...(options.serverUri === undefined ? {} : { ServerURL: options.serverUri }),
    ...(options.tenantToken === undefined
      ? {}
      : { TenantToken: (await content(options.tenantToken)).toString('utf8').trim() }),
  };
  if (Object.keys(settings).length) {
    const old = await files.read(settingsFile, scratch);
    await put(settingsFile, `${JSON.stringify({ ...parsed(label, old), ...settings }, null, 2)}\n`);
  }
  await files.check();
  return true;
}

const content = (path: string): Promise<Buffer> => input(path, () => readFile(path));

function parsed(label: string, bytes: Buffer): object {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // said below
  }
  throw misuse(`${label}:${settingsFile}: is not a JSON object`);
}
