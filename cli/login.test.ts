import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { person, serve } from './bench.testing.ts';

const token = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1In0.c2ln';
const login = 'POST /api/management/v1/useradm/auth/login';
const me = 'GET /api/management/v1/useradm/users/me';

test('after login with a password from a pipe, the next command acts as that user', async () => {
  await using server = await serve({
    [login]: { text: token },
    [me]: { json: { id: 'u1', email: 'ada@example.com', roles: ['admin'], permissions: ['devices:read'] } },
  });
  await using ada = await person();
  const first = await ada.call(['login', server.url, '--user', 'ada@example.com', '--password-stdin'], {
    input: 'päss:word\n',
  });
  expect(first).toEqual({ code: 0, out: '', err: `logged in to ${server.url} as ada@example.com\n` });
  const credentials = server.asked[0]!.headers.authorization!.replace('Basic ', '');
  expect(Buffer.from(credentials, 'base64').toString()).toBe('ada@example.com:päss:word');
  const second = await ada.call(['whoami']);
  expect(second.out).toBe(`ada@example.com at ${server.url}\nroles: admin\nmay: devices:read\n`);
  expect(server.asked[1]!.headers.authorization).toBe(`Bearer ${token}`);
});

test('the login is stored where only its owner can read it, and logout forgets it', async () => {
  await using server = await serve({
    [login]: { text: token },
    'POST /api/management/v1/useradm/auth/logout': { status: 202 },
  });
  await using ada = await person();
  await ada.call(['login', server.url, '--user', 'a@b.c', '--password-stdin'], { input: 'secret12' });
  const file = join(ada.configFolder, 'logins.json');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await ada.call(['logout'])).err).toBe(`logged out of ${server.url}\n`);
  expect(server.asked[1]!.headers.authorization).toBe(`Bearer ${token}`);
  expect(await readFile(file, 'utf8')).not.toContain(token);
  expect((await ada.call(['whoami'])).code).toBe(2);
});

test('a wrong password is one line and stores nothing', async () => {
  await using server = await serve({ [login]: { status: 401, json: { error: 'unauthorized', request_id: 'r' } } });
  await using ada = await person();
  const { code, err } = await ada.call(['login', server.url, '--user', 'a@b.c', '--password-stdin'], { input: 'x\n' });
  expect(code).toBe(1);
  expect(err).toBe(
    `error: ${server.url} refuses a@b.c: wrong user or password (or the account needs --token2fa CODE)\n`,
  );
  await expect(stat(join(ada.configFolder, 'logins.json'))).rejects.toThrow('ENOENT');
});

test('whoever has a second factor is told in a pipe how to give its code, and that a code is wrong', async () => {
  const refused = (second_factor: string) => ({ status: 401, json: { error: 'unauthorized', second_factor } });
  await using wanted = await serve({ [login]: refused('wanted') });
  await using wrong = await serve({ [login]: refused('wrong') });
  await using ada = await person();
  const args = ['--user', 'a@b.c', '--password-stdin'];
  expect((await ada.call(['login', wanted.url, ...args], { input: 'x\n' })).err).toBe(
    `error: ${wanted.url} wants the code of the second factor of a@b.c: give it by --token2fa CODE\n`,
  );
  expect((await ada.call(['login', wrong.url, ...args, '--token2fa', '1'], { input: 'x\n' })).err).toBe(
    `error: ${wrong.url} refuses a@b.c: that code is wrong or was used already: wait for the next\n`,
  );
});

test('a second factor travels as mender-cli sends it', async () => {
  await using server = await serve({ [login]: { text: token } });
  await using ada = await person();
  await ada.call(['login', server.url, '--user', 'a', '--password-stdin', '--token2fa', '123456'], { input: 'x\n' });
  expect(JSON.parse(server.asked[0]!.body)).toEqual({ token2fa: '123456' });
});

test('--token, --token-file and PATCHBAY_TOKEN are used in that order, before the stored login', async () => {
  await using server = await serve({ [me]: { json: { id: 'u', email: 'e' } } });
  await using ada = await person();
  const file = join(ada.configFolder, 'token');
  await writeFile(file, 'from-file\n');
  const env = { server: server.url, token: 'from-env' };
  await ada.call(['whoami', '--token', 'from-option', '--token-file', file], env);
  await ada.call(['whoami', '--token-file', file], env);
  await ada.call(['whoami'], env);
  expect(server.asked.map(({ headers }) => headers.authorization)).toEqual([
    'Bearer from-option',
    'Bearer from-file',
    'Bearer from-env',
  ]);
});

test('without a server, without a login, with a damaged file: what to do is said', async () => {
  await using ada = await person();
  expect(await ada.call(['whoami'])).toMatchObject({ code: 2, err: expect.stringContaining("'patchbay login URL'") });
  const other = await ada.call(['whoami', '--server', 'https://x.example']);
  expect(other.err).toBe("error: you are not logged in to https://x.example: run 'patchbay login https://x.example'\n");
  await writeFile(join(ada.configFolder, 'logins.json'), '{"servers":{"https://x.example":{"user":1}}}');
  expect((await ada.call(['whoami'])).err).toContain('is damaged: remove it and log in again');
});

test('a password cannot be asked for in a pipe', async () => {
  await using ada = await person();
  const { code, err } = await ada.call(['login', 'http://127.0.0.1:1', '--user', 'a']);
  expect({ code, err }).toEqual({ code: 1, err: "error: cannot ask for 'Password': standard input is no terminal\n" });
});

test('nothing listens, a token has expired, a role is too small: one line each, with what to do', async () => {
  await using server = await serve({ [me]: { status: 401, json: { error: 'x', request_id: 'r' } } });
  await using refused = await serve({
    [me]: { status: 403, headers: { 'x-men-requestid': 'r-7' }, json: { error: 'users:read is needed' } },
  });
  await using ada = await person();
  const gone = await serve({});
  await gone[Symbol.asyncDispose]();
  const call = (url: string) => ada.call(['whoami'], { server: url, token: 't' });
  expect((await call(gone.url)).err).toBe(
    `error: cannot reach ${gone.url}: nothing listens there: is the server running, is --server right?\n`,
  );
  expect((await call(server.url)).err).toBe(
    `error: ${server.url} does not know you, or no longer: run 'patchbay login ${server.url}'\n`,
  );
  expect((await call(refused.url)).err).toBe('error: users:read is needed (request r-7)\n');
});
