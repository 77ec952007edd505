import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ServerCounter } from '#addon/server';
import type { Meter } from '../http/meter.ts';
import type { RateLimits } from '../http/rate.ts';
import type { Db } from '../store/store.ts';

/** What the figures are taken from when somebody asks for them. */
export interface Measured {
  readonly db: Db;
  readonly rates: Pick<RateLimits, 'refused'>;
  readonly devicesConnected: () => Iterable<unknown>;
  readonly sessionsOpen: () => Iterable<unknown>;
  /** Bytes of all artifacts. */
  readonly artifactBytes: () => Promise<number>;
  /** Bytes that are free where the artifacts are; undefined: it cannot be known. */
  readonly bytesFree: () => Promise<number | undefined>;
  /** How webhooks went. */
  readonly webhooks: Readonly<Record<string, number>>;
  /** What add-ons count. */
  readonly addons: Readonly<Record<string, ServerCounter>>;
  /** When the certificate ends, ms since the epoch; undefined: there is none. */
  readonly certificateEnds: () => number | undefined;
}

export interface Metrics {
  readonly meter: Meter;
  readonly type: string;
  /** All figures in the Prometheus text format. */
  text(): Promise<string>;
}

/** Upper edges, seconds: from a poll to an upload. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

/** The figures of one server process; names and meanings are in `docs/administration.md`. */
export function makeMetrics(measured: Measured): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'patchbay_http_request_seconds',
    help: 'Requests by route, without the idle polls; status 499: the client left',
    labelNames: ['method', 'route', 'status'],
    buckets,
    registers,
  });
  let idle = 0;
  gauges(registers, measured);
  counter(registers, 'patchbay_polls_idle_total', 'Polls of devices with nothing to do', () => [[{}, idle]]);
  counter(registers, 'patchbay_rate_limited_total', 'Requests refused with 429, by kind of caller', () =>
    Object.entries(measured.rates.refused).map(([kind, count]) => [{ kind }, count]),
  );
  counter(registers, 'patchbay_webhook_deliveries_total', 'Webhooks, by how they went', () =>
    Object.entries(measured.webhooks).map(([result, count]) => [{ result }, count]),
  );
  for (const [name, { help, values }] of Object.entries(measured.addons))
    counter(
      registers,
      `patchbay_${name}_total`,
      help,
      () => Object.entries(values).map(([result, count]) => [{ result }, count]),
      ['result'],
    );
  return {
    meter: {
      answered: (method, route = 'other', status, seconds) => requests.observe({ method, route, status }, seconds),
      idle: () => void idle++,
    },
    type: registry.contentType,
    text: () => registry.metrics(),
  };
}

type Values = readonly (readonly [labels: Record<string, string>, value: number])[];

function gauges(registers: Registry[], measured: Measured): void {
  const { db } = measured;
  gauge(registers, 'patchbay_devices', 'Devices on record, by status', async () => {
    const rows = await db
      .selectFrom('devices')
      .select((e) => ['status', e.fn.countAll<number | string>().as('count')])
      .groupBy('status')
      .execute();
    return rows.map(({ status, count }) => [{ status }, Number(count)]);
  });
  gauge(registers, 'patchbay_deployments_active', 'Deployments that are not finished', async () => {
    const rows = await db.selectFrom('deployments').select('id').where('active', '=', 1).execute();
    return [[{}, rows.length]];
  });
  gauge(registers, 'patchbay_device_sockets', 'Devices connected to this process', () => [
    [{}, count(measured.devicesConnected())],
  ]);
  gauge(registers, 'patchbay_sessions', "People's sessions with devices in this process", () => [
    [{}, count(measured.sessionsOpen())],
  ]);
  gauge(registers, 'patchbay_artifact_bytes', 'Size of all artifacts', async () => [
    [{}, await measured.artifactBytes()],
  ]);
  gauge(registers, 'patchbay_storage_free_bytes', 'Free space where the artifacts are', async () => {
    const free = await measured.bytesFree();
    return free === undefined ? [] : [[{}, free]];
  });
  gauge(registers, 'patchbay_certificate_end_timestamp_seconds', 'When the TLS certificate ends', () => {
    const end = measured.certificateEnds();
    return end === undefined ? [] : [[{}, end / 1000]];
  });
}

function count(things: Iterable<unknown>): number {
  let n = 0;
  for (const _ of things) n++;
  return n;
}

function gauge(registers: Registry[], name: string, help: string, read: () => Values | Promise<Values>): Gauge {
  return new Gauge({
    name,
    help,
    registers,
    labelNames: labelsOf(name),
    async collect() {
      const values = await read();
      this.reset();
      for (const [labels, value] of values) this.set(labels, value);
    },
  });
}

/** A counter that somebody else keeps. */
function counter(
  registers: Registry[],
  name: string,
  help: string,
  read: () => Values,
  labelNames = labelsOf(name),
): Counter {
  return new Counter({
    name,
    help,
    registers,
    labelNames,
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc(labels, value);
    },
  });
}

const labels: Readonly<Record<string, readonly string[]>> = {
  patchbay_devices: ['status'],
  patchbay_rate_limited_total: ['kind'],
  patchbay_webhook_deliveries_total: ['result'],
};
const labelsOf = (name: string): string[] => [...(labels[name] ?? [])];
