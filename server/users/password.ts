import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const hash = promisify(argon2);
/** OWASP's first choice for argon2id: 19 MiB, two passes; about 50 ms here. Only `server/stage.ts` may make it less. */
export const cost = { memory: 19456, passes: 2, parallelism: 1, tagLength: 32 };

/** An argon2id hash in PHC form: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(16);
  const tag = await hash('argon2id', { message: Buffer.from(password), nonce, ...cost });
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${base64(nonce)}$${base64(tag)}`;
}

/** Whether a password is the one of a stored hash. Takes as long for a hash that cannot be read. */
export async function checkPassword(password: string, stored: string | undefined): Promise<boolean> {
  const parts = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
    stored ?? '',
  );
  const [, memory, passes, parallelism, salt, tag] = parts ?? [];
  const expected = Buffer.from(tag ?? '', 'base64');
  const got = await hash('argon2id', {
    message: Buffer.from(password),
    nonce: parts ? Buffer.from(salt ?? '', 'base64') : Buffer.alloc(16),
    memory: parts ? Number(memory) : cost.memory,
    passes: parts ? Number(passes) : cost.passes,
    parallelism: parts ? Number(parallelism) : cost.parallelism,
    tagLength: parts ? expected.length : cost.tagLength,
  });
  return parts !== null && timingSafeEqual(got, expected);
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
