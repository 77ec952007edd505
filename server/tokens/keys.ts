import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { isDuplicate, type Db } from '../store/store.ts';

/** The server's own secrets, kept in the database: every node of a server signs alike, and a backup has them. */
export interface Keys {
  /** A compact JWT (EdDSA), issued now. `lifetime` in seconds; undefined: it does not expire. */
  sign(claims: JWTPayload, lifetime: number | undefined): Promise<string>;
  /** The claims of a token that this server signed and that has not expired; else undefined. */
  verify(token: string): Promise<JWTPayload | undefined>;
  /** Key of the HMAC in signed download links. */
  readonly linkSecret: Buffer;
}

export async function loadKeys(db: Db): Promise<Keys> {
  const pem = await secret(db, 'token-key', () =>
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
  );
  const link = await secret(db, 'link-secret', () => randomBytes(32).toString('hex'));
  return keysOf(createPrivateKey(pem), Buffer.from(link, 'hex'));
}

function keysOf(key: KeyObject, linkSecret: Buffer): Keys {
  const publicKey = createPublicKey(key);
  return {
    linkSecret,
    sign(claims, lifetime) {
      // The kid is an integer in the reference (`server-api.md` §2.8), so that keys can be rotated.
      const jwt = new SignJWT(claims)
        .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: 1 as unknown as string })
        .setIssuedAt()
        .setNotBefore(0);
      if (lifetime !== undefined) jwt.setExpirationTime(`${lifetime}s`);
      return jwt.sign(key);
    },
    async verify(token) {
      if (token.length > 8192) return undefined;
      try {
        // The algorithm is ours to say, never the token's.
        const { payload } = await jwtVerify(token, publicKey, { algorithms: ['EdDSA'] });
        return payload;
      } catch {
        return undefined;
      }
    },
  };
}

async function secret(db: Db, name: string, make: () => string): Promise<string> {
  const read = async (): Promise<string | undefined> =>
    (await db.selectFrom('secrets').select('value').where('name', '=', name).executeTakeFirst())?.value;
  const stored = await read();
  if (stored !== undefined) return stored;
  const made = make();
  try {
    await db.insertInto('secrets').values({ name, value: made }).execute();
    return made;
  } catch (error) {
    // Another node was faster.
    const other = isDuplicate(error) ? await read() : undefined;
    if (other !== undefined) return other;
    throw error;
  }
}
