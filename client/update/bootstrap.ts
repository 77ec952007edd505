import { createReadStream, existsSync, rmSync } from 'node:fs';
import { openArtifact } from '#artifact';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { artifactOf } from './deployment.ts';
import type { Journal } from './journal.ts';
import { withArtifact } from './provides.ts';

/**
 * Gives a freshly flashed device its name and provides from the artifact beside its store (`update-client.md` §7.5).
 * Only when it has no name yet; the file is gone afterwards in any case. A bad one leaves the name `unknown`.
 */
export async function bootstrapName(file: string, journal: Journal, log: Log): Promise<void> {
  if (!existsSync(file)) return;
  try {
    if (journal.read().artifactName !== undefined) return;
    const artifact = await openArtifact(createReadStream(file));
    const { header } = artifact;
    if (header.payload.type !== null) throw new CodedError('bootstrap', 'a bootstrap artifact has no payload');
    for await (const unexpected of artifact.files())
      throw new CodedError('bootstrap', `unexpected file ${unexpected.name}`);
    journal.write((record) => withArtifact(record, artifactOf(header)));
    log.info('bootstrap artifact taken', { name: header.name });
  } catch (error) {
    log.error('bootstrap artifact refused', { file, error: messageOf(error) });
  } finally {
    rmSync(file, { force: true });
  }
}
