import { openKey } from './auth/key.ts';
import { clientParts, keySource, type ClientOptions } from './daemon.ts';
import { firstStart } from './first-start.ts';
import { artifactNameOf, flatProvides, type StoredRecord } from './update/journal.ts';

const attemptLimit = 30_000;

/** Makes the key if there is none (`force`: in any case) and asks for acceptance once; a refusal is no failure. */
export async function bootstrap(options: ClientOptions, force: boolean): Promise<void> {
  await openKey(keySource(options), options.log, force);
  if (options.config.servers.length === 0) return;
  const { access } = clientParts(options);
  await access.fetch(AbortSignal.timeout(attemptLimit));
}

export async function showArtifact(options: ClientOptions): Promise<string> {
  return `${artifactNameOf(await record(options))}\n`;
}

export async function showProvides(options: ClientOptions): Promise<string> {
  return Object.entries(flatProvides(await record(options)))
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

async function record(options: ClientOptions): Promise<StoredRecord> {
  const { journal, log, places } = clientParts(options);
  await firstStart(places, journal, log);
  return journal.read();
}
