import { CodedError } from '#base/errors';

const magic = 0xbeefc0de;
const pageFlags = { branch: 1, leaf: 2, overflow: 4 } as const;
const bigData = 1;
const noPage = 0xffff_ffff_ffff_ffffn;

/** How wide page numbers and sizes are in the file: that of the machine that wrote it. */
interface Layout {
  readonly word: 4 | 8;
  /** Bytes before the contents of a page. */
  readonly head: 12 | 16;
}
const layouts: readonly Layout[] = [
  { word: 8, head: 16 },
  { word: 4, head: 12 },
];

/**
 * All keys and values of an LMDB file with one unnamed database and plain values, as Mender's clients keep it. Read
 * only, once, from a file that nobody has open: enough to take a device over, with no library. Throws `lmdb`.
 */
export function readLmdb(file: Uint8Array): Map<string, Uint8Array> {
  return new Reader(file).entries();
}

class Reader {
  readonly #bytes: DataView;
  readonly #layout: Layout;
  readonly #pageSize: number;
  readonly #root: bigint;
  #pages = 0;

  constructor(file: Uint8Array) {
    this.#bytes = new DataView(file.buffer, file.byteOffset, file.byteLength);
    const layout = layouts.find(({ head }) => file.length >= 512 && this.#bytes.getUint32(head, true) === magic);
    if (!layout) throw new CodedError('lmdb', 'no LMDB file');
    this.#layout = layout;
    const { word, head } = layout;
    const tree = 8 + 5 * word;
    const trees = head + 8 + 2 * word;
    this.#pageSize = this.#u32(trees);
    if (![512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536].includes(this.#pageSize))
      throw new CodedError('lmdb', `impossible page size ${this.#pageSize}`);
    // Two copies of the meta page are written in turn; the newer one counts.
    const metas = [0, this.#pageSize]
      .filter((at) => at + trees + 2 * tree + 2 * word <= file.length && this.#u32(at + head) === magic)
      .map((at) => ({
        transaction: this.#word(at + trees + 2 * tree + word),
        root: this.#word(at + trees + tree + 8 + 4 * word),
      }))
      .sort((a, b) => (a.transaction < b.transaction ? 1 : -1));
    const [newest] = metas;
    if (!newest) throw new CodedError('lmdb', 'no meta page');
    this.#root = newest.root;
  }

  entries(): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    const none = this.#layout.word === 8 ? noPage : 0xffff_ffffn;
    if (this.#root !== none) this.#page(this.#root, found);
    return found;
  }

  #page(number: bigint, found: Map<string, Uint8Array>): void {
    // A tree has each page once; a damaged file may point in circles.
    this.#pages += 1;
    const at = Number(number) * this.#pageSize;
    if (
      this.#pages > Math.min(10_000, this.#bytes.byteLength / this.#pageSize) ||
      at + this.#pageSize > this.#bytes.byteLength
    )
      throw new CodedError('lmdb', `page ${number} is not in the file`);
    const { head } = this.#layout;
    const flags = this.#u16(at + head - 6);
    const nodes = (this.#u16(at + head - 4) - head) >> 1;
    if (nodes < 0 || at + head + 2 * nodes > this.#bytes.byteLength) throw new CodedError('lmdb', 'a page is damaged');
    for (let index = 0; index < nodes; index += 1) {
      const node = at + this.#u16(at + head + 2 * index);
      if (flags & pageFlags.branch) this.#page(this.#child(node), found);
      else if (flags & pageFlags.leaf) this.#leaf(node, found);
      else throw new CodedError('lmdb', `page ${number} is neither branch nor leaf`);
    }
  }

  #child(node: number): bigint {
    return BigInt(this.#u16(node)) | (BigInt(this.#u16(node + 2)) << 16n) | (BigInt(this.#u16(node + 4)) << 32n);
  }

  #leaf(node: number, found: Map<string, Uint8Array>): void {
    const size = this.#u16(node) | (this.#u16(node + 2) << 16);
    const keySize = this.#u16(node + 6);
    const key = Buffer.from(this.#slice(node + 8, keySize)).toString('utf8');
    const value = node + 8 + keySize;
    const big = (this.#u16(node + 4) & bigData) !== 0;
    const from = big ? Number(this.#word(value)) * this.#pageSize + this.#layout.head : value;
    found.set(key, this.#slice(from, size));
  }

  #slice(at: number, size: number): Uint8Array {
    if (size < 0 || at + size > this.#bytes.byteLength) throw new CodedError('lmdb', 'a value is not in the file');
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, size);
  }
  #u16(at: number): number {
    return this.#checked(at, 2) ? this.#bytes.getUint16(at, true) : 0;
  }
  #u32(at: number): number {
    return this.#checked(at, 4) ? this.#bytes.getUint32(at, true) : 0;
  }
  #word(at: number): bigint {
    return this.#layout.word === 8 && this.#checked(at, 8) ? this.#bytes.getBigUint64(at, true) : BigInt(this.#u32(at));
  }
  #checked(at: number, size: number): true {
    if (at < 0 || at + size > this.#bytes.byteLength) throw new CodedError('lmdb', 'a page is damaged');
    return true;
  }
}
