import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rights } from '../http/rights.ts';
import express from 'express';
import { expect } from 'vitest';
import { artifactBytes, bytesSource, type ArtifactSpec } from '#artifact';
import { silentLog } from '#base/log';
import { permissions } from '#proto/http/users';
import { Room } from '../artifacts/room.ts';
import { artifactRoutes } from '../artifacts/routes.ts';
import type { Blobs } from '../blobs/blobs.ts';
import { openFolder } from '../blobs/folder.ts';
import { notFound } from '../errors.ts';
import { finish } from '../http/failure.ts';
import { type AuditRecord, type Frame, mount, stamp } from '../http/mount.ts';
import { noMeter } from '../http/meter.ts';
import { quickly } from '../http/quick.ts';
import { RateLimits } from '../http/rate.ts';
import { databaseFor, usualDatabase } from '../stage.ts';
import { type Db, onPostgres, openStore } from '../store/store.ts';
import { Activity } from './activity.ts';
import type { DeploymentDeps } from './deps.ts';
import { deploymentRoutes } from './routes.ts';

export interface Harness {
  readonly url: string;
  readonly db: Db;
  readonly blobs: Blobs;
  readonly folder: string;
  readonly deps: DeploymentDeps;
  /** What has been told to those who watch: `[event, data]`. */
  readonly told: [string, unknown][];
  readonly audited: AuditRecord[];
  /** What `acceptedDevices` and `devicesOfGroup` answer. */
  readonly devices: { accepted: string[]; groups: Record<string, string[]> };
  /** A request as the user, or as the device whose id is given. */
  call(method: string, path: string, body?: unknown, device?: string): Promise<Answer>;
  upload(artifact: Uint8Array, fields?: Record<string, string>): Promise<Answer>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined: none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what they know
  readonly json: any;
}

/** The two slices in a real express application on a free port, with a real database and folder. */
export async function openHarness({
  artifactSize = 64 * 1024 * 1024,
  storageLimit = 0,
  database = usualDatabase,
} = {}): Promise<Harness> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-deployments-'));
  const db = await openStore(folder, await databaseFor(database));
  const blobs = await openFolder(join(folder, 'artifacts'));
  const told: [string, unknown][] = [];
  const audited: AuditRecord[] = [];
  const devices: Harness['devices'] = { accepted: [], groups: {} };
  const deps: DeploymentDeps = {
    db,
    activity: new Activity({ alone: !onPostgres(db) }),
    blobs,
    room: new Room(db, storageLimit),
    live: {
      tell: (event, ...data) => void told.push([event, data[0]]),
      tellOf: (_places, event, ...data) => void told.push([event, data[0]]),
    },
    log: silentLog,
    linkSecret: Buffer.from('secret of a test'),
    publicUrl: (req) => `${req.protocol}://${req.get('host')}`,
    limits: { artifactSize },
    acceptedDevices: async () => devices.accepted,
    devicesOfGroup: async (name) => devices.groups[name] ?? [],
    devicesOfFilter: async (id) => {
      const found = devices.groups[id];
      if (!found) throw notFound('filter not found');
      return { filter: { id, name: id, terms: [] }, devices: found };
    },
  };
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  const routes = [...artifactRoutes(deps), ...deploymentRoutes(deps)];
  const frame: Frame = {
    verify: {
      user: async (token) =>
        token === 'user' || token === 'reader'
          ? {
              kind: 'user',
              id: 'u1',
              email: 'user@example.com',
              tokenId: 't1',
              permissions: new Rights(
                permissions
                  .filter((name) => token === 'user' || name.endsWith(':read'))
                  .map((permission) => ({ permission })),
              ),
              mustEnrol: false,
            }
          : undefined,
      device: async (token) =>
        token.startsWith('device.') ? { kind: 'device', id: token.slice(7), authSetId: 'a1' } : undefined,
    },
    log: silentLog,
    reaches: async () => true,
    rates: new RateLimits({ device: 0, user: 0, address: 0 }),
    meter: noMeter,
    audit: async (record) => void audited.push(record),
  };
  app.use(stamp(frame));
  mount(app, routes, frame);
  finish(app, silentLog);
  const server = createServer(quickly(routes, frame, (req, res) => void app(req, res)));
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const call: Harness['call'] = async (method, path, body, device) => {
    const json = body !== undefined && !(body instanceof FormData);
    const response = await fetch(url + path, {
      method,
      headers: {
        Authorization: `Bearer ${device === undefined ? 'user' : `device.${device}`}`,
        ...(json ? { 'Content-Type': 'application/json' } : {}),
      },
      ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
    });
    return answerOf(response);
  };
  return {
    url,
    db,
    blobs,
    folder,
    deps,
    told,
    audited,
    devices,
    call,
    upload: (artifact, fields = {}) =>
      call('POST', '/api/management/v1/deployments/artifacts', formOf(artifact, fields)),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await db.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '') ? (JSON.parse(text) as unknown) : undefined;
  return { status: response.status, headers: response.headers, text, json };
}

export function formOf(artifact: Uint8Array, fields: Record<string, string> = {}): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('artifact', new Blob([new Uint8Array(artifact)]), 'x.mender');
  return form;
}

/** The id at the end of a `Location`. */
export const locationId = ({ headers }: Answer): string => headers.get('location')?.split('/').at(-1) ?? '';

/** A small artifact for update module `single-file`; each name and type gives other bytes. */
export function artifactFor(name: string, more: Partial<ArtifactSpec> & { types?: string[]; filler?: number } = {}) {
  const { types = ['qemu'], filler = 100, ...spec } = more;
  return artifactBytes({
    name,
    depends: { device_type: types },
    payload: {
      type: 'single-file',
      provides: { 'rootfs-image.single-file.version': name },
      depends: {},
      clears: ['rootfs-image.single-file.*'],
      files: [bytesSource('hello.txt', `${name}\n`.padEnd(filler, '.'))],
    },
    compression: 'none',
    ...spec,
  });
}

/** What must hold whatever happened: counters are what the devices' rows add up to (§3.2, §3.4). */
export async function checkCounters({ db }: Pick<Harness, 'db'>): Promise<void> {
  const deployments = await db.selectFrom('deployments').selectAll().execute();
  for (const { id, max_devices, device_count, status, active, finished } of deployments) {
    const rows = await db.selectFrom('device_deployments').selectAll().where('deployment_id', '=', id).execute();
    const counters = await db.selectFrom('deployment_counters').selectAll().where('deployment_id', '=', id).execute();
    const counted = rows.filter((row) => row.asked !== null || row.active === 1);
    const sums = Map.groupBy(counted, (row) => row.status);
    expect(Object.fromEntries(counters.map((row) => [row.status, row.count]))).toEqual(
      Object.fromEntries(counters.map((row) => [row.status, sums.get(row.status)?.length ?? 0])),
    );
    expect(counters.length).toBe(13);
    expect(rows.length).toBe(max_devices);
    expect(device_count).toBe(rows.filter((row) => row.asked !== null).length);
    expect(active === 0).toBe(status === 'finished');
    expect(finished !== null).toBe(status === 'finished');
  }
}
