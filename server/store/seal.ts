import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '#base/durable';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { makeFolder } from '#base/folder';

const algorithm = 'aes-256-gcm';
const [keySize, ivSize, tagSize] = [32, 12, 16];
const prefix = 'sealed:1:';
/** `sealed:1:KEY:…`: the name of the key, then initialisation vector, tag and cipher text as one base64url. */
const shape = /^sealed:1:([0-9a-f]{8}):([\w-]+)$/;

/** Where the keys lie: a folder of the data folder, so that a backup has them. */
export const keyFolder = 'keys';

/**
 * Keeps secrets so that the database alone does not tell them: encrypted with a key that lies in the data folder. The key
 * is read each time, which is seldom: a file that is put back is good at once.
 */
export class Seal {
  readonly #folder: string;
  constructor(data: string) {
    this.#folder = join(data, keyFolder);
  }

  get path(): string {
    return join(this.#folder, 'database.key');
  }

  static isSealed(text: string): boolean {
    return text.startsWith(prefix);
  }

  /** `owner` is bound in: in the row of another the text is of no use. Makes the key if there is none. */
  async close(text: string, owner: string): Promise<string> {
    const key = (await this.#read()) ?? (await this.#make());
    const iv = randomBytes(ivSize);
    const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagSize }).setAAD(Buffer.from(owner));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return `${prefix}${nameOf(key)}:${Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')}`;
  }

  /** What was closed for this owner. Throws `seal_broken` with what is wrong, the key or the text. */
  async open(sealed: string, owner: string): Promise<string> {
    const key = await this.#read();
    if (!key) throw broken(`the key file ${this.path} is missing`);
    const [, name, rest = ''] = shape.exec(sealed) ?? [];
    if (name !== undefined && name !== nameOf(key))
      throw broken(`the key file ${this.path} is not the one that was used (${nameOf(key)}, wanted is ${name})`);
    const bytes = Buffer.from(rest, 'base64url');
    try {
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivSize), { authTagLength: tagSize })
        .setAAD(Buffer.from(owner))
        .setAuthTag(bytes.subarray(ivSize, ivSize + tagSize));
      return decipher.update(bytes.subarray(ivSize + tagSize), undefined, 'utf8') + decipher.final('utf8');
    } catch (error) {
      throw broken('it was altered in the database', error);
    }
  }

  /** The same for the owners of one realm: what is closed through it no other realm opens, whatever its owner is called. */
  within(realm: string): Pick<Seal, 'close' | 'open'> & { isSealed(text: string): boolean } {
    return {
      close: (text, owner) => this.close(text, `${realm} ${owner}`),
      open: (sealed, owner) => this.open(sealed, `${realm} ${owner}`),
      isSealed: (text) => Seal.isSealed(text),
    };
  }

  async #read(): Promise<Buffer | undefined> {
    const text = await readFile(this.path, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw broken(`the key file ${this.path} cannot be read: ${messageOf(error)}`, error);
    });
    if (text === undefined) return undefined;
    if (!/^[0-9a-f]{64}\n?$/.test(text)) throw broken(`the file ${this.path} holds no key`);
    return Buffer.from(text.trim(), 'hex');
  }

  /** On the disk before anything is sealed with it, whole, and never in place of one that another process made. */
  async #make(): Promise<Buffer> {
    await makeFolder(this.#folder, 0o700);
    const part = `${this.path}.${process.pid}.${randomBytes(4).toString('hex')}.part`;
    try {
      const file = await open(part, 'wx', 0o600);
      try {
        await file.writeFile(`${randomBytes(keySize).toString('hex')}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await link(part, this.path).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
    } finally {
      await rm(part, { force: true });
    }
    await syncFolder(this.#folder);
    const key = await this.#read();
    if (!key) throw broken(`the key file ${this.path} was removed as it was made`);
    return key;
  }
}

const nameOf = (key: Buffer): string => createHash('sha256').update(key).digest('hex').slice(0, 8);
const broken = (message: string, cause?: unknown): CodedError => new CodedError('seal_broken', message, { cause });
