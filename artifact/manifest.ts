import { ArtifactError, shown } from './errors.ts';
import { checkPayloadFileName, compressionOf, payloadPrefix } from './names.ts';

/** One line of a manifest that something in the artifact has yet to answer. */
interface Line {
  readonly checksum: string;
  readonly augmented: boolean;
  used: boolean;
}

/** The lines of `manifest`, and of `manifest-augment` where there is one. Each must be used once, by its own member. */
export class Manifest {
  readonly #lines = new Map<string, Line>();
  /** A line for a payload that no client supports, kept until the header has said how many there are. */
  #stranger: string | undefined;

  /** Reads the signed part. It must cover version and header by itself: an unsigned part may not vouch for them. */
  static parse(bytes: Uint8Array): Manifest {
    const manifest = new Manifest();
    manifest.#add(bytes, 'manifest');
    for (const stem of ['version', 'header.tar']) {
      if (![...manifest.#lines.keys()].some((name) => isMember(name, stem)))
        throw new ArtifactError('manifest-entry-missing', `manifest: no line for ${stem}`);
    }
    return manifest;
  }

  augment(bytes: Uint8Array): void {
    this.#add(bytes, 'manifest-augment');
  }

  #add(bytes: Uint8Array, member: string): void {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const lines = text.split('\n');
    if (lines.pop() !== '') throw new ArtifactError('manifest-malformed', `${member}: the last line does not end`);
    for (const [index, line] of lines.entries()) {
      const fault = (what: string) => new ArtifactError('manifest-malformed', `${member}: line ${index + 1}: ${what}`);
      const [, checksum, name] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? [];
      if (!checksum || !name) throw fault(`'${shown(line)}' is not a checksum, two spaces and a name`);
      if (name.startsWith(payloadPrefix)) checkPayloadFileName(name.slice(payloadPrefix.length));
      else if (/^data\/\d{4}\//.test(name)) this.#stranger ??= `${member}: line ${index + 1}: ${shown(name)}`;
      else if (!stems(member).some((stem) => isMember(name, stem))) throw fault(`'${shown(name)}' has no place there`);
      if (this.#lines.has(name)) throw fault(`${name} is listed twice`);
      this.#lines.set(name, { checksum, augmented: member === 'manifest-augment', used: false });
    }
  }

  /** The checksum that `name` must have. It counts as used from here on. */
  take(name: string): string {
    const line = this.#lines.get(name);
    if (!line) throw new ArtifactError('manifest-entry-missing', `manifest: no line for ${shown(name)}`);
    line.used = true;
    return line.checksum;
  }

  /** Names and checksums of payload files, in the order of the manifest. */
  payloadFiles(): { name: string; checksum: string; augmented: boolean }[] {
    return [...this.#lines]
      .filter(([name]) => name.startsWith(payloadPrefix))
      .map(([name, { checksum, augmented }]) => ({ name: name.slice(payloadPrefix.length), checksum, augmented }));
  }

  /** Refuses lines for payloads other than the only one that the header has. */
  checkOnePayload(): void {
    if (this.#stranger) throw new ArtifactError('manifest-malformed', `${this.#stranger} belongs to no payload`);
  }

  /** Refuses a manifest that lists what never came. */
  checkAllUsed(): void {
    for (const [name, { used }] of this.#lines) {
      if (!used)
        throw new ArtifactError('manifest-entry-unused', `manifest: ${name} is listed, but not in the artifact`);
    }
  }
}

function stems(member: string): readonly string[] {
  return member === 'manifest' ? ['version', 'header.tar', 'header-augment.tar'] : ['header-augment.tar'];
}

function isMember(name: string, stem: string): boolean {
  return stem === 'version' ? name === stem : compressionOf(name, stem) !== undefined;
}

/** The bytes of a manifest, its lines in the order given. */
export function formatManifest(lines: readonly { name: string; checksum: string }[]): Buffer {
  return Buffer.from(lines.map(({ name, checksum }) => `${checksum}  ${name}\n`).join(''));
}
