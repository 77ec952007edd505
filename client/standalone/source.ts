import { ArtifactError, dependsMismatch, fileChunks, openArtifact } from '#artifact';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { artifactOf } from '../update/deployment.ts';
import { artifactNameOf } from '../update/journal.ts';
import { storedProvides, withArtifact } from '../update/provides.ts';
import { paced } from '../update/pace.ts';
import { moduleOf } from '../update/stage.ts';
import { makeTree } from '../update/tree.ts';
import type { Parts } from './actions.ts';
import type { Installation } from './installation.ts';

/** Where an artifact comes from: a path, `-` for standard input, or an http(s) address. */
export type Source = string;

async function* bytesOf(
  source: Source,
  parts: Parts,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (source === '-') return yield* process.stdin as AsyncIterable<Uint8Array>;
  if (/^[a-z]+:\/\//.test(source) && !/^https?:/.test(source))
    throw new CodedError('usage', `${source} is no http(s) address, no file, and not - for standard input`);
  if (!/^https?:\/\//.test(source)) return yield* bytesOfFile(source);
  const reply = await parts.transport.request(source, { signal });
  try {
    if (reply.status !== 200) throw new CodedError('download', `${source}: server answers ${reply.status}`);
    const { DownloadRateLimit: rate, DownloadLowSpeedLimit: floor, DownloadLowSpeedSeconds: window } = parts.config;
    yield* paced(reply.body as AsyncIterable<Uint8Array>, { clock: parts.clock, signal, rate, floor, window });
  } finally {
    reply.body.destroy();
  }
}

async function* bytesOfFile(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* fileChunks(file);
  } catch (error) {
    const words = { ENOENT: 'there is no such file', EACCES: 'not allowed', EISDIR: 'it is a folder' };
    const why = new Map(Object.entries(words)).get(codeOf(error) ?? '') ?? messageOf(error);
    throw new CodedError('source', `cannot read ${file}: ${why}`, { cause: error });
  }
}

/** Streams an artifact into its module; header and depends are checked before any script runs (§6.2). */
export async function receive(
  parts: Parts,
  installation: Installation,
  source: Source | undefined,
  signal: AbortSignal,
): Promise<'done' | 'empty'> {
  if (source === undefined) throw new CodedError('usage', 'no artifact named');
  const { journal, scripts, log, deviceType } = parts;
  const keys = parts.verifyKeys();
  const bytes = bytesOf(source, parts, signal);
  installation.say('Installing artifact...');
  try {
    const artifact = await openArtifact(bytes, { transient: true, ...(keys.length > 0 ? { keys } : {}) });
    const { header } = artifact;
    const record = journal.read();
    const type = deviceType();
    const mismatch = dependsMismatch(header, { device_type: type, provides: storedProvides(record) });
    if (mismatch) throw new CodedError('depends', `artifact ${header.name} ${mismatch}`);
    scripts.store(header.scripts);
    if (header.payload.type === null) {
      for await (const file of artifact.files()) throw new CodedError('artifact', `unexpected file ${file.name}`);
      journal.write((before) => withArtifact(before, artifactOf(header)));
      installation.say('Artifact with empty payload. Committing immediately.');
      return 'empty';
    }
    const module = moduleOf(parts, header.payload.type);
    module.check();
    installation.artifact = artifactOf(header);
    makeTree(module.tree, artifact, {
      name: artifactNameOf(record),
      group: record.artifactGroup ?? '',
      deviceType: type,
    });
    try {
      await scripts.run('Download_Enter', log, signal);
      await module.receive(artifact.files(), signal);
      await scripts.run('Download_Leave', log, signal);
    } catch (error) {
      signal.throwIfAborted();
      await scripts.run('Download_Error', log, signal);
      throw error;
    }
    return 'done';
  } catch (error) {
    // What is wrong with an artifact is told of its parts; this is which artifact.
    if (error instanceof ArtifactError)
      throw new CodedError('artifact', `${source}: ${error.message}`, { cause: error });
    throw error;
  } finally {
    await bytes.return();
  }
}
