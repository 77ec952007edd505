import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openArtifact, type OpenArtifact } from '#artifact';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paths } from '../places.ts';
import { makeArtifact, type Recipe } from '../rig/artifact.ts';
import { RigDevice, type Behaviour } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { UpdateModule } from './module.ts';
import { streamPayload } from './stream.ts';
import { makeTree } from './tree.ts';

let device: RigDevice;
let log: RigLog;
const signal = new AbortController().signal;
beforeEach(() => {
  device = new RigDevice({});
  log = new RigLog();
});
afterEach(() => device[Symbol.dispose]());

function module(timeout = 60_000): UpdateModule {
  const folder = paths.modules(device.places);
  return new UpdateModule({ folder, type: 'recorder', tree: paths.tree(device.places), timeout, grace: 300, log });
}
async function prepared(behaviour: Behaviour, recipe: Recipe = {}): Promise<OpenArtifact> {
  device.module(behaviour);
  const bytes = makeArtifact(recipe);
  const artifact = await openArtifact(
    (async function* () {
      yield bytes;
    })(),
  );
  makeTree(paths.tree(device.places), artifact, { name: 'release-1', group: '', deviceType: 'rig' });
  return artifact;
}
async function stream(behaviour: Behaviour, recipe: Recipe = {}, timeout?: number): Promise<void> {
  const artifact = await prepared(behaviour, recipe);
  await streamPayload(module(timeout), artifact.files(), signal);
}
const inTree = (...path: string[]) => join(paths.tree(device.places), ...path);
const read = (...path: string[]) => readFileSync(inTree(...path), 'utf8');

const files = { first: 'one', second: 'x'.repeat(200_000), third: '' };
/** Reads all streams as a module does, noting what `stream-next` said. */
const reads = (state: string) => `[ "$1" != ${state} ] || while line=$(cat stream-next); [ -n "$line" ]; do
  echo "$line" >>tmp/lines
  cat "\${line%% *}" >>tmp/bytes
done`;

function stateOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0] ?? '';
  } catch {
    return 'gone';
  }
}

describe('an update module', () => {
  it('UC-33 finds its tree byte for byte, and works in it', async () => {
    await prepared({ extra: 'pwd >tmp/pwd; echo "$2" >tmp/argument' }, { group: 'g', metaData: { a: 1 } });
    expect(read('version')).toBe('3\n');
    expect(read('current_artifact_name')).toBe('release-1\n');
    expect(read('current_artifact_group')).toBe('');
    expect(read('current_device_type')).toBe('rig\n');
    expect(read('header', 'artifact_name')).toBe('release-2');
    expect(read('header', 'artifact_group')).toBe('g');
    expect(read('header', 'payload_type')).toBe('recorder');
    expect(JSON.parse(read('header', 'meta-data'))).toEqual({ a: 1 });
    expect(JSON.parse(read('header', 'header-info'))).toMatchObject({ payloads: [{ type: 'recorder' }] });
    await module().call('ArtifactInstall', signal);
    expect(read('tmp', 'pwd')).toBe(`${paths.tree(device.places)}\n`);
    expect(read('tmp', 'argument')).toBe(`${paths.tree(device.places)}\n`);
  });

  it('UC-38 reads slowly: the client reads no further ahead than a few buffers', async () => {
    const block = 256 * 1024;
    const blocks = 64;
    const artifact = await prepared({
      // A block, a note of it, the next block.
      extra: `if [ "$1" = Download ]; then
  cat stream-next >/dev/null
  exec 3<streams/payload
  while n=$(head -c ${block} <&3 | wc -c); [ "$n" -gt 0 ]; do printf x >>tmp/read; done
  cat stream-next >/dev/null
fi`,
    });
    const [file] = await Array.fromAsync(artifact.files());
    let most = 0;
    let given = 0;
    const done = () => (existsSync(inTree('tmp', 'read')) ? statSync(inTree('tmp', 'read')).size : 0) * block;
    async function* content() {
      for (; given < blocks * block; given += block) {
        most = Math.max(most, given - done());
        yield Buffer.alloc(block);
      }
    }
    async function* files() {
      yield { ...file!, name: 'payload', size: blocks * block, content: content() };
    }
    await streamPayload(module(), files(), signal);
    expect(done()).toBe(blocks * block);
    expect(most).toBeLessThanOrEqual(4 * block);
  });

  it('UC-34 reads the files as streams, in their order', async () => {
    await stream({ extra: reads('Download') }, { files });
    expect(read('tmp', 'lines')).toBe('streams/first\nstreams/second\nstreams/third\n');
    expect(read('tmp', 'bytes')).toBe(`one${files.second}`);
    expect(existsSync(inTree('files'))).toBe(false);
    expect(existsSync(inTree('stream-next'))).toBe(false);
    expect(existsSync(inTree('streams'))).toBe(false);
  });

  it('UC-35 that reads no stream finds files/', async () => {
    await stream({}, { files });
    expect(read('files', 'first')).toBe('one');
    expect(read('files', 'second')).toBe(files.second);
    expect(read('files', 'third')).toBe('');
    expect(existsSync(inTree('stream-next'))).toBe(false);
  });

  it('UC-36 that wants sizes is told them, or may ignore them', async () => {
    await stream({ sizes: 'Yes', extra: reads('DownloadWithFileSizes') }, { files });
    expect(read('tmp', 'lines')).toBe('streams/first 3\nstreams/second 200000\nstreams/third 0\n');
    await stream({ sizes: 'Yes' }, { files });
    expect(read('files', 'first')).toBe('one');
  });

  it.each([
    [
      'UC-37 stops after the first file with 0',
      'line=$(cat stream-next); cat $line >/dev/null; exit 0',
      'did not finish',
    ],
    [
      'UC-37 stops after the first file with 1',
      'line=$(cat stream-next); cat $line >/dev/null; exit 1',
      'ended with 1',
    ],
    ['reads a line and no file', 'cat stream-next >/dev/null; exit 0', 'did not finish'],
    [
      'stops before the end of a file',
      'cat stream-next; head -c 1 streams/first >/dev/null; cat stream-next; head -c 1 streams/second >/dev/null; sleep 60',
      'stopped reading second',
    ],
    ['fails at once', 'exit 3', 'ended with 3'],
  ])('%s: failure', async (_, script, text) => {
    await expect(stream({ extra: `[ "$1" != Download ] || { ${script}; }` }, { files })).rejects.toThrow(text);
  });

  it('deletes its FIFOs, or its whole tree: no hang', { timeout: 20_000 }, async () => {
    await stream({ extra: '[ "$1" != Download ] || rm stream-next' }, { files });
    expect(read('files', 'first')).toBe('one');
    await stream({ extra: '[ "$1" != Download ] || rm -rf "$2"' }, { files });
    await expect(
      stream({ extra: '[ "$1" != Download ] || { cat stream-next; rm -rf streams; }' }, { files }),
    ).rejects.toThrow('did not finish');
  });

  it('UC-39 that hangs is killed after its time, with its children', async () => {
    const extra =
      '[ "$1" != Download ] || { trap "" TERM; sh -c \'trap "" TERM; echo $$ >tmp/child; sleep 60\' & cat stream-next >/dev/null; sleep 60; }';
    await expect(stream({ extra }, { files }, 3000)).rejects.toThrow('took too long');
    // Gone, or dead and not yet buried by its new parent.
    await expect.poll(() => stateOf(Number(read('tmp', 'child'))), { timeout: 5000 }).toMatch(/^(gone|Z|X)$/);
  });

  it('UC-39 that hangs in any state fails that state', async () => {
    await prepared({ extra: 'trap "" TERM; sleep 60' });
    const hung = module(300);
    for (const query of ['ProvidePayloadFileSizes', 'NeedsArtifactReboot', 'SupportsRollback'] as const)
      await expect(hung.ask(query, ['Yes'], signal), query).rejects.toThrow('took too long');
    for (const state of [
      'ArtifactInstall',
      'ArtifactReboot',
      'ArtifactVerifyReboot',
      'ArtifactCommit',
      'ArtifactRollback',
      'ArtifactRollbackReboot',
      'ArtifactVerifyRollbackReboot',
      'ArtifactFailure',
      'Cleanup',
    ] as const)
      await expect(hung.call(state, signal), state).rejects.toThrow('took too long');
    expect(existsSync(inTree())).toBe(false);
  });

  it('UC-88 a payload with a wrong checksum fails after streaming', async () => {
    device.module({});
    const bytes = makeArtifact({ files: { payload: 'hello\n' } });
    bytes[bytes.indexOf('hello')] = 'j'.charCodeAt(0);
    const artifact = await openArtifact(
      (async function* () {
        yield bytes;
      })(),
    );
    makeTree(paths.tree(device.places), artifact, { name: '', group: '', deviceType: '' });
    await expect(streamPayload(module(), artifact.files(), signal)).rejects.toThrow('checksum');
  });

  it.each(['yes', 'Maybe', 'Yes\nNo'])('UC-40 answering %j is a failure', async (answer) => {
    await prepared({ supportsRollback: answer });
    await expect(module().ask('SupportsRollback', ['Yes', 'No'], signal)).rejects.toThrow('answers SupportsRollback');
  });

  it('UC-41 missing, or of a type that leads elsewhere: refused', async () => {
    await prepared({});
    const options = { folder: paths.modules(device.places), tree: inTree(), timeout: 1000, grace: 100, log };
    await expect(new UpdateModule({ ...options, type: 'nothing' }).call('ArtifactInstall', signal)).rejects.toThrow(
      'Update Module not found',
    );
    for (const type of ['../x', '.', '..', 'a/b', '', '-x'])
      expect(() => new UpdateModule({ ...options, type })).toThrow('no name');
  });

  it('UC-42 the tree is gone after Cleanup, also when that fails', async () => {
    await prepared({ fails: ['Cleanup'] });
    await expect(module().call('Cleanup', signal)).rejects.toThrow('ended with 1');
    expect(existsSync(inTree())).toBe(false);
    await module().call('Cleanup', signal); // no tree: nothing to do
  });

  it('UC-44 what it says is in the log', async () => {
    await prepared({ extra: 'echo out; echo err >&2' });
    await module().call('ArtifactInstall', signal);
    expect(log.lines.map(({ event }) => event)).toContain('Update Module output (stdout): out');
    expect(log.lines.map(({ event }) => event)).toContain('Update Module output (stderr): err');
  });
});
