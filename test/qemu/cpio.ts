/** A file, folder or device of an initial RAM file system. */
export interface Member {
  readonly name: string;
  /** With the file type, as `stat` has it: 0o100755 a program, 0o040755 a folder, 0o020600 a character device. */
  readonly mode: number;
  readonly content?: Uint8Array;
  /** Major and minor number of a device. */
  readonly device?: readonly [number, number];
}

/** An archive in the form that the kernel unpacks at boot ("newc", Linux Documentation/driver-api/early-userspace). */
export function cpio(members: readonly Member[]): Buffer {
  const all: readonly Member[] = [...members, { name: 'TRAILER!!!', mode: 0 }];
  return Buffer.concat(all.flatMap((member, index) => entry(member, index + 1)));
}

function entry({ name, mode, content = new Uint8Array(), device = [0, 0] }: Member, inode: number): Uint8Array[] {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, device[0], device[1], name.length + 1, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return [padded(Buffer.from(head)), padded(content)];
}

const padded = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
