import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { TOTP } from 'otpauth';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Login } from '#proto/http/users';
import { availableDatabases, databaseFor, password, stage, type Answer, type Stage } from '../stage.ts';
import { Seal } from '../store/seal.ts';
import { type Db, openStore } from '../store/store.ts';

const useradm = '/api/management/v1/useradm';
const patchbay = '/api/management/v1/patchbay';
let server: Stage;
let boss = '';
// Codes go by the clock: only that stands still, and goes on when a test says so.
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  server = await stage();
  const body = { name: 'tests', expires_in: 0 };
  boss = (await server.call('POST', `${useradm}/settings/tokens`, { token: await server.login(), body })).text;
});
afterAll(async () => {
  await server.close();
  vi.useRealTimers();
});
const passes = (seconds: number): void => void vi.setSystemTime(Date.now() + seconds * 1000);

const call = (method: string, path: string, token: string, body?: unknown): Promise<Answer> =>
  server.call(method, path, { token, ...(body === undefined ? {} : { body }) });
function enter(email: string, token2fa?: string, secret = password): Promise<Answer> {
  const authorization = `Basic ${Buffer.from(`${email}:${secret}`).toString('base64')}`;
  return server.call('POST', `${useradm}/auth/login`, {
    headers: { authorization },
    body: token2fa === undefined ? {} : { token2fa },
  });
}

interface Person {
  readonly email: string;
  readonly token: string;
  readonly id: string;
  readonly recovery: string[];
  code(): string;
}
let last = 0;
/** Somebody whose second factor is on; the code that switched it on is used up. */
async function enrolled(): Promise<Person> {
  const email = `person${++last}@example.com`;
  const token = await server.addUser(email, ['read-only']);
  const { id } = (await call('GET', `${useradm}/users/me`, token)).body as { id: string };
  expect((await call('POST', `${useradm}/users/${id}/2fa/enable`, token)).status).toBe(200);
  const { secret } = (await call('GET', `${useradm}/2faqr`, token)).body as { secret: string };
  const code = (): string => new TOTP({ secret }).generate({ timestamp: Date.now() });
  const { status, body } = await call('PUT', `${useradm}/2faverify`, token, { token2fa: code() });
  expect(status).toBe(200);
  const { recovery_codes: recovery } = body as { recovery_codes: string[] };
  return { email, token, id, recovery, code };
}

describe('a second factor (server-api.md §4.5)', () => {
  it('is set up with a QR code, and asked for from then on', async () => {
    const person = await enrolled();
    expect(await enter(person.email)).toMatchObject({ status: 401, body: { second_factor: 'wanted' } });
    passes(30);
    const { status, text } = await enter(person.email, person.code());
    expect(status).toBe(200);
    expect((await call('GET', `${useradm}/users/me`, text)).body).toMatchObject({ second_factor: true });
    expect((await call('GET', `${patchbay}/second-factor`, text)).body).toEqual({
      status: 'on',
      required: false,
      recovery_codes_left: 10,
    });
  });

  it('gives its key as a PNG that a telephone reads, and never again once it is on', async () => {
    const token = await server.addUser(`qr@example.com`, []);
    const first = (await call('GET', `${useradm}/2faqr`, token)).body as Record<string, string>;
    const png = Buffer.from(first['qr']!, 'base64');
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    const side = png.readUInt32BE(16);
    const data = png.indexOf('IDAT');
    const rows = inflateSync(png.subarray(data + 4, data + 4 + png.readUInt32BE(data - 4)));
    expect(rows.length).toBe(side * (side + 1));
    expect(first['uri']).toMatch(/^otpauth:\/\/totp\/Patchbay:qr%40example\.com\?.*secret=[A-Z2-7]{32}/);
    // Asked again before it is on, the same key: the page may be loaded twice.
    expect((await call('GET', `${useradm}/2faqr`, token)).body).toMatchObject({ secret: first['secret'] });
    const person = await enrolled();
    expect((await call('GET', `${useradm}/2faqr`, person.token)).status).toBe(409);
  });

  it('takes no code twice, no older one after it, and of two logins at once with one code lets one in', async () => {
    const person = await enrolled();
    const old = person.code();
    expect((await enter(person.email, old)).body).toMatchObject({ second_factor: 'wrong' });
    passes(60);
    const code = person.code();
    const both = await Promise.all([enter(person.email, code), enter(person.email, code)]);
    expect(both.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 401]);
    passes(30);
    expect((await enter(person.email, code)).status).toBe(401);
    expect((await enter(person.email, person.code())).status).toBe(200);
  });

  it('is not told to be there to whoever has not the password', async () => {
    const person = await enrolled();
    const wrong = await enter(person.email, undefined, 'not the password');
    expect(wrong.status).toBe(401);
    expect(wrong.body).not.toHaveProperty('second_factor');
    expect((await enter('nobody@example.com')).text.replace(/"request_id.*/, '')).toBe(
      wrong.text.replace(/"request_id.*/, ''),
    );
  });

  it('makes whoever guesses codes wait, from wherever he comes, and the right one waits too', async () => {
    const person = await enrolled();
    passes(60);
    for (let i = 0; i < 5; i++) expect((await enter(person.email, '000000')).status).toBe(401);
    const { status, headers } = await enter(person.email, person.code());
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(200);
    passes(301);
    expect((await enter(person.email, person.code())).status).toBe(200);
  });

  it('lets in by each recovery code once, however it is typed, and by old ones no more', async () => {
    const person = await enrolled();
    const [one = '', two = ''] = person.recovery;
    expect(new Set(person.recovery).size).toBe(10);
    expect((await enter(person.email, one.toUpperCase().replaceAll('-', ' '))).status).toBe(200);
    expect((await enter(person.email, one)).status).toBe(401);
    passes(60);
    const fresh = await call('POST', `${patchbay}/second-factor/recovery-codes`, person.token, {
      token2fa: person.code(),
    });
    expect((fresh.body as { recovery_codes: string[] }).recovery_codes).toHaveLength(10);
    expect((await enter(person.email, two)).status).toBe(401);
    const again = await call('POST', `${patchbay}/second-factor/recovery-codes`, person.token, {});
    expect(again.status).toBe(422);
  });

  it('switched on ends the logins that were made without it; an access token stays', async () => {
    const email = 'several@example.com';
    const other = await server.addUser(email, ['read-only']);
    const token = await server.login(email);
    const body = { name: 'script', expires_in: 0 };
    const access = (await call('POST', `${useradm}/settings/tokens`, token, body)).text;
    const { secret } = (await call('GET', `${useradm}/2faqr`, token)).body as { secret: string };
    const wrong = await call('PUT', `${useradm}/2faverify`, token, { token2fa: '000000' });
    expect(wrong.status).toBe(422);
    await call('PUT', `${useradm}/2faverify`, token, {
      token2fa: new TOTP({ secret }).generate({ timestamp: Date.now() }),
    });
    const status = async (who: string) => (await call('GET', `${useradm}/users/me`, who)).status;
    expect([await status(other), await status(token), await status(access)]).toEqual([401, 200, 200]);
  });

  it('is not switched off by whoever sits at an open browser', async () => {
    const person = await enrolled();
    const off = (body?: unknown) => call('POST', `${useradm}/users/me/2fa/disable`, person.token, body);
    expect((await off()).status).toBe(422);
    expect((await off({ token2fa: '000000' })).status).toBe(422);
    expect((await off({ current_password: 'wrong' })).status).toBe(422);
    expect((await off({ current_password: password })).status).toBe(200);
    expect((await enter(person.email)).status).toBe(200);
  });

  it('that somebody has lost is switched off by an administrator, and by nobody else', async () => {
    const person = await enrolled();
    const reader = await server.addUser('reader2fa@example.com', ['read-only']);
    const path = `${useradm}/users/${person.id}/2fa`;
    expect((await call('POST', `${path}/disable`, reader)).status).toBe(403);
    expect((await call('POST', `${path}/enable`, boss)).status).toBe(403);
    expect((await call('POST', `${path}/disable`, boss)).status).toBe(200);
    expect((await enter(person.email)).status).toBe(200);
    const { body } = await call('GET', `${patchbay}/audit?action=second_factor_off&object_id=${person.id}`, boss);
    expect(body).toMatchObject([{ code: 'P132I', details: { by: 'administrator' } }, { code: 'P132W' }]);
  });
});

describe.each(await availableDatabases())('the key of a second factor on %s', (name) => {
  let own: Stage;
  const keyFile = () => join(own.data, 'keys', 'database.key');
  const inDatabase = async <T>(work: (db: Db) => Promise<T>): Promise<T> => {
    const db = await openStore(own.data, own.database);
    try {
      return await work(db);
    } finally {
      await db.destroy();
    }
  };
  const stored = (): Promise<string[]> =>
    inDatabase(async (db) =>
      (await db.selectFrom('second_factors').select('secret').orderBy('user_id').execute()).map(({ secret }) => secret),
    );
  let before: Stage;
  beforeAll(async () => {
    own = await stage({ database: await databaseFor(name) });
    // `enrolled` and `enter` are of the server of this block.
    [before, server] = [server, own];
  });
  afterAll(async () => {
    server = before;
    await own.close();
  });

  it('is in a file for its owner only, made when the first one enrols, and not in the database', async () => {
    await expect(stat(keyFile())).rejects.toThrow('ENOENT');
    const token = await own.addUser('sealed@example.com', []);
    const { secret } = (await call('GET', `${useradm}/2faqr`, token)).body as { secret: string };
    expect((await stat(keyFile())).mode & 0o777).toBe(0o600);
    const [text = ''] = await stored();
    expect(text).toMatch(/^sealed:1:[0-9a-f]{8}:/);
    expect(text).not.toContain(secret);
  });

  it('of a row of before is sealed by the next start, and its codes are good as ever', async () => {
    const person = await enrolled();
    const seal = new Seal(own.data);
    const owner = `second factor of ${person.id}`;
    const sealed = await inDatabase(async (db) => {
      const of = (query: Db) => query.selectFrom('second_factors').select('secret').where('user_id', '=', person.id);
      const plain = await seal.open((await of(db).executeTakeFirstOrThrow()).secret, owner);
      await db.updateTable('second_factors').set({ secret: plain }).where('user_id', '=', person.id).execute();
      passes(30);
      expect((await enter(person.email, person.code())).status).toBe(200);
      await own.restart();
      return (await of(db).executeTakeFirstOrThrow()).secret;
    });
    expect(Seal.isSealed(sealed)).toBe(true);
    passes(30);
    expect((await enter(person.email, person.code())).status).toBe(200);
  });

  it.each([
    ['missing', () => rm(keyFile())],
    ['another one', () => writeFile(keyFile(), `${'ab'.repeat(32)}\n`)],
    ['no key at all', () => writeFile(keyFile(), 'x')],
  ])('whose file is %s is said so, and a recovery code or an administrator helps', async (_, spoil) => {
    const person = await enrolled();
    const good = await readFile(keyFile());
    await spoil();
    try {
      passes(30);
      const refused = await enter(person.email, person.code());
      expect([refused.status, refused.body]).toMatchObject([
        503,
        { error: expect.stringMatching(/key file of this server.*recovery code.*administrator/) as string },
      ]);
      const { text: token } = await enter(person.email, person.recovery[0]);
      const mine = await call('POST', `${useradm}/users/me/2fa/disable`, token, { token2fa: person.code() });
      expect(mine.status).toBe(503);
      const reset = `${useradm}/users/${person.id}/2fa/disable`;
      expect((await call('POST', reset, await own.login())).status).toBe(200);
      expect((await enter(person.email)).status).toBe(200);
    } finally {
      await writeFile(keyFile(), good);
    }
  });

  it('that is only being set up when the file is lost is made anew; the file put back, all others are good again', async () => {
    const person = await enrolled();
    const token = await own.addUser('half@example.com', []);
    const secretOf = async () => ((await call('GET', `${useradm}/2faqr`, token)).body as { secret: string }).secret;
    const first = await secretOf();
    const good = await readFile(keyFile());
    await rm(keyFile());
    expect(await secretOf()).not.toBe(first);
    await writeFile(keyFile(), good);
    passes(30);
    expect((await enter(person.email, person.code())).status).toBe(200);
  });

  it('is of no use in the row of somebody else, nor altered', async () => {
    const [one, two] = [await enrolled(), await enrolled()];
    const set = (secret: string) =>
      inDatabase((db) => db.updateTable('second_factors').set({ secret }).where('user_id', '=', two.id).execute());
    const [of] = await inDatabase((db) =>
      db.selectFrom('second_factors').select('secret').where('user_id', '=', one.id).execute(),
    );
    await set(of!.secret);
    passes(30);
    expect((await enter(two.email, one.code())).status).toBe(503);
    await set(`${of!.secret.slice(0, 30)}AAAA`);
    expect((await enter(two.email, one.code())).status).toBe(503);
  });
});

describe('a second factor that is wanted of everybody', () => {
  beforeEach(async () => {
    const body = { second_factor: 'required', audit_days: 365 };
    expect((await call('PUT', `${patchbay}/policy`, boss, body)).status).toBe(204);
  });
  afterEach(async () => {
    await call('PUT', `${patchbay}/policy`, boss, { second_factor: 'optional', audit_days: 365 });
    await call('POST', `${useradm}/settings`, boss, {});
  });

  it('leaves whoever has none to set it up, and lets him do nothing else until then', async () => {
    const { text: token } = await enter('admin@example.com');
    const devices = '/api/management/v2/devauth/devices';
    expect(await call('GET', devices, token)).toMatchObject({ status: 403, body: { second_factor: 'enrol' } });
    expect((await call('POST', `${useradm}/settings/tokens`, token, { name: 'way round', expires_in: 0 })).status).toBe(
      403,
    );
    expect((await call('GET', `${useradm}/users/me`, token)).body).toMatchObject({ must_enrol: true, permissions: [] });
    const { secret } = (await call('GET', `${useradm}/2faqr`, token)).body as { secret: string };
    const totp = new TOTP({ secret });
    const body = { token2fa: totp.generate({ timestamp: Date.now() }) };
    expect((await call('PUT', `${useradm}/2faverify`, token, body)).status).toBe(200);
    expect((await call('GET', devices, token)).status).toBe(200);
    await call('POST', `${useradm}/users/me/2fa/disable`, token, { current_password: password });
  });

  it('is wanted too when the settings say so in the reference’s words', async () => {
    await call('PUT', `${patchbay}/policy`, boss, { second_factor: 'optional', audit_days: 365 });
    const { text: token } = await enter('admin@example.com');
    const devices = '/api/management/v2/devauth/devices';
    expect((await call('GET', devices, token)).status).toBe(200);
    expect((await call('POST', `${useradm}/settings`, boss, { '2fa': 'enabled' })).status).toBe(201);
    expect((await call('GET', devices, token)).status).toBe(403);
    expect((await call('GET', devices, boss)).status).toBe(200);
  });
});

describe('logins', () => {
  const agents = {
    browser: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    command: 'patchbay/1 (Linux)',
  };
  const from = async (email: string, agent: string) => {
    const authorization = `Basic ${Buffer.from(`${email}:${password}`).toString('base64')}`;
    const headers = { authorization, 'user-agent': agent };
    return (await server.call('POST', `${useradm}/auth/login`, { headers })).text;
  };

  it('are listed with what made them and from where, and each can be ended', async () => {
    const email = 'logins@example.com';
    const first = await server.addUser(email, ['read-only']);
    passes(1);
    const browser = await from(email, agents.browser);
    passes(1);
    const command = await from(email, agents.command);
    const { body } = await call('GET', `${patchbay}/logins`, command);
    const list = body as Login[];
    expect(list.map(({ client, current }) => [client, current])).toEqual([
      ['patchbay command on Linux', true],
      ['Firefox on Linux', false],
      ['a Node.js program', false],
    ]);
    expect(list[0]).toMatchObject({ kind: 'session', address: '127.0.0.1' });
    expect(list[0]?.last_used_ts).toBeDefined();
    expect((await call('DELETE', `${patchbay}/logins/${list[1]!.id}`, command)).status).toBe(204);
    expect((await call('GET', `${useradm}/users/me`, browser)).status).toBe(401);
    expect((await call('DELETE', `${patchbay}/logins`, command)).status).toBe(204);
    expect((await call('GET', `${useradm}/users/me`, first)).status).toBe(401);
    expect((await call('GET', `${useradm}/users/me`, command)).status).toBe(200);
  });

  it('of others are an administrator’s to see and to end', async () => {
    const email = 'watched@example.com';
    const token = await server.addUser(email, ['read-only']);
    const { id } = (await call('GET', `${useradm}/users/me`, token)).body as { id: string };
    await call('POST', `${useradm}/settings/tokens`, token, { name: 'script', expires_in: 0 });
    const path = `${patchbay}/users/${id}/logins`;
    expect((await call('GET', path, token)).status).toBe(403);
    const list = (await call('GET', path, boss)).body as Login[];
    expect(list.map(({ kind }) => kind).sort()).toEqual(['access', 'session']);
    const access = list.find(({ kind }) => kind === 'access')!;
    expect((await call('DELETE', `${path}/${access.id}`, boss)).status).toBe(204);
    expect((await call('DELETE', `${path}/${access.id}`, boss)).status).toBe(404);
    expect((await call('DELETE', path, boss)).status).toBe(204);
    expect((await call('GET', `${useradm}/users/me`, token)).status).toBe(401);
    // One's own are no one else's to end, whatever their id.
    const mine = (await call('GET', `${patchbay}/logins`, boss)).body as Login[];
    const other = await server.addUser('thief@example.com', ['read-only']);
    expect((await call('DELETE', `${patchbay}/logins/${mine[0]!.id}`, other)).status).toBe(404);
  });

  it('beyond ten end with the oldest', async () => {
    const first = await server.addUser('many@example.com', ['read-only']);
    for (let i = 0; i < 10; i++) {
      passes(1);
      await server.login('many@example.com');
    }
    expect((await call('GET', `${useradm}/users/me`, first)).status).toBe(401);
  });
});
