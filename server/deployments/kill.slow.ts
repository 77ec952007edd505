import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { deploymentsV1 } from '#proto/http/paths';
import { DeviceTokens } from '../devices/tokens.ts';
import { openStore } from '../store/store.ts';
import { loadKeys } from '../tokens/keys.ts';
import { Users } from '../users/users.ts';
import { artifactFor, checkCounters, formOf } from './harness.testing.ts';

const kills = 100;
const fleet = 12;
const account = { email: 'kill@example.com', password: 'a password for tests' };
const device = '/api/devices/v1/deployments/device/deployments';

let folder = '';
let child: ChildProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-kill-'));
});
afterEach(async () => {
  await kill();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<string> {
  const launcher = join(import.meta.dirname, '../../bin/patchbay.js');
  const args = [launcher, 'server', '--data', folder, '--listen', '127.0.0.1:0'];
  const started = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  child = started;
  let said = '';
  for await (const chunk of started.stderr.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    const url = /"url":"([^"]+)"/.exec(said)?.[1];
    if (!url) continue;
    started.stderr.resume();
    return url;
  }
  throw new Error(`the server ended: ${said}`);
}

async function kill(): Promise<void> {
  const killed = child;
  child = undefined;
  if (!killed || killed.exitCode !== null || killed.signalCode !== null) return;
  killed.kill('SIGKILL');
  await once(killed, 'exit');
}

/** What the server has said yes to. */
const yes = {
  artifacts: new Map<string, number>(),
  deployments: new Set<string>(),
  /** `deployment device` → what was accepted, and what was on its way at the kill. */
  reports: new Map<string, { accepted: string; sent?: string }>(),
};

it(
  'a hundred times kill -9 under load: no accepted write is lost, no half artifact stays, counters add up (issue 4)',
  { timeout: 1_800_000 },
  async () => {
    const db = await openStore(folder);
    const keys = await loadKeys(db);
    await new Users(db).create({ ...account, roles: ['admin'] });
    const devices = await Promise.all(Array.from({ length: fleet }, () => accepted()));
    await db.destroy();
    let token = '';
    // A busy machine says yes to less in a life: it is given more of them.
    const enough = (): boolean => yes.artifacts.size > kills / 2 && yes.deployments.size > kills / 4;
    for (let round = 0; round < kills || !enough(); round++) {
      const url = await start();
      token ||= await login(url);
      const life = new AbortController();
      const work = [
        uploads(url, token, round, life.signal),
        deploy(url, token, round, life.signal),
        ...devices.map((one) => act(url, one, life.signal)),
      ];
      await pause(50 + Math.random() * 1000);
      await kill();
      life.abort();
      await Promise.all(work);
      await check();
    }
    // At the next start what the last kill left is cleared away.
    await start();
    const stored = await readdir(join(folder, 'artifacts'));
    await kill();
    const after = await openStore(folder);
    const rows = await after.selectFrom('artifacts').select('id').execute();
    await after.destroy();
    expect(stored.sort()).toEqual(rows.map(({ id }) => id).sort());

    async function accepted(): Promise<{ id: string; token: string }> {
      const id = randomUUID();
      const set = randomUUID();
      const ts = new Date().toISOString();
      const row = { id, identity_hash: id, identity: '{}', status: 'accepted', created_ts: ts, updated_ts: ts };
      await db
        .insertInto('devices')
        .values({ ...row, decommissioning: 0, check_in_time: ts, inventory_hash: null })
        .execute();
      const key = { identity_hash: id, pubkey: id, status: 'accepted', ts, token_from: 0 };
      await db
        .insertInto('auth_sets')
        .values({ id: set, device_id: id, ...key })
        .execute();
      return { id, token: await new DeviceTokens(db, keys).issue(id, set) };
    }
  },
);

/** A call that may be cut off; undefined then. */
async function call(url: string, token: string, method: string, body?: unknown): Promise<Response | undefined> {
  const json = body !== undefined && !(body instanceof FormData);
  try {
    const response = await fetch(url, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(json ? { 'Content-Type': 'application/json' } : {}) },
      ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
    });
    // Only a whole answer is a yes.
    return new Response(response.status === 204 ? null : await response.arrayBuffer(), response);
  } catch {
    return undefined;
  }
}

async function login(url: string): Promise<string> {
  const basic = Buffer.from(`${account.email}:${account.password}`).toString('base64');
  const path = `${url}/api/management/v1/useradm/auth/login`;
  return (await fetch(path, { method: 'POST', headers: { Authorization: `Basic ${basic}` } })).text();
}

async function uploads(url: string, token: string, round: number, signal: AbortSignal): Promise<void> {
  for (let at = 0; !signal.aborted; at++) {
    const artifact = await artifactFor(`r${round}-${at}`, { filler: 200_000 * (at % 4) + 100 });
    const answer = await call(`${url}${deploymentsV1}/artifacts`, token, 'POST', formOf(artifact));
    if (answer?.status === 201)
      yes.artifacts.set(answer.headers.get('location')?.split('/').at(-1) ?? '', artifact.length);
    else if (answer) throw new Error(`upload: ${answer.status} ${await answer.text()}`);
  }
}

async function deploy(url: string, token: string, round: number, signal: AbortSignal): Promise<void> {
  for (let at = 0; !signal.aborted; at++) {
    const body = { name: `d${round}-${at}`, artifact_name: `r${Math.max(0, round - 1)}-0`, all_devices: true };
    const answer = await call(`${url}${deploymentsV1}/deployments`, token, 'POST', body);
    if (answer?.status === 201) yes.deployments.add(answer.headers.get('location')?.split('/').at(-1) ?? '');
    await pause(100);
  }
}

async function act(url: string, { id, token }: { id: string; token: string }, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const next = await call(`${url}${device}/next?artifact_name=old&device_type=qemu`, token, 'GET');
    if (next?.status !== 200) {
      await pause(20);
      continue;
    }
    const { id: deployment } = (await next.json()) as { id: string };
    for (const status of ['downloading', 'installing', Math.random() < 0.5 ? 'success' : 'failure']) {
      const key = `${deployment} ${id}`;
      const before = yes.reports.get(key)?.accepted ?? 'pending';
      yes.reports.set(key, { accepted: before, sent: status });
      const answer = await call(`${url}${device}/${deployment}/status`, token, 'PUT', { status });
      if (answer?.status !== 204) break;
      yes.reports.set(key, { accepted: status });
    }
  }
}

async function check(): Promise<void> {
  const db = await openStore(folder);
  try {
    await checkCounters({ db });
    const artifacts = new Map((await db.selectFrom('artifacts').selectAll().execute()).map((row) => [row.id, row]));
    for (const [id, size] of yes.artifacts) expect([id, artifacts.get(id)?.size]).toEqual([id, size]);
    // Whatever is in the database is whole in the folder.
    for (const { id, size } of artifacts.values()) expect((await stat(join(folder, 'artifacts', id))).size).toBe(size);
    const deployments = new Set((await db.selectFrom('deployments').select('id').execute()).map(({ id }) => id));
    for (const id of yes.deployments) expect(deployments.has(id)).toBe(true);
    const parts = await db.selectFrom('device_deployments').selectAll().execute();
    const statuses = new Map(parts.map((row) => [`${row.deployment_id} ${row.device_id}`, row.status]));
    for (const [key, { accepted, sent }] of yes.reports) {
      const status = statuses.get(key) ?? '';
      expect([key, status, [accepted, sent].includes(status)]).toEqual([key, status, true]);
      // Whether the last one got through is known now.
      yes.reports.set(key, { accepted: status });
    }
  } finally {
    await db.destroy();
  }
}
