import { setTimeout as wait } from 'node:timers/promises';
import type { Host } from './host.ts';
import { codeOf, messageOf } from '#base/errors';
import type { Standing } from '../answers.ts';
import type { Api } from './api.ts';
import type { Filter } from './filter.ts';
import { namesOf } from './names.ts';
import { change, stateOf } from './printing.ts';

/** ms until the server is asked again what it could not answer; doubled each time. */
const retry = { first: 1000, most: 30_000 };

const passing = new Set(['unavailable', 'unreachable']);

/** Tells what is not OK, and then what changes, until the person has enough. */
export async function watch(host: Host, api: Api, filter: Filter): Promise<void> {
  try {
    await follow(host, api, filter);
  } catch (error) {
    // To be stopped is how this ends, and no failure.
    if (!host.signal.aborted) throw error;
  }
}

async function follow(host: Host, api: Api, filter: Filter): Promise<void> {
  const known = new Map<string, Standing>();
  let lost = false;
  for await (const told of host.changes()) {
    if ('link' in told && told.link === 'down') {
      if (!lost) host.note(`not live: ${told.why}; trying again`);
      lost = true;
      continue;
    }
    if (lost) host.note('live again');
    lost = false;
    // After the link was made anything may have changed.
    const device = 'device' in told ? told.device : undefined;
    if (device !== undefined && filter.device !== undefined && device !== filter.device) continue;
    await persistently(host, () => look(host, api, filter, known, device));
  }
}

async function look(
  host: Host,
  api: Api,
  filter: Filter,
  known: Map<string, Standing>,
  device: string | undefined,
): Promise<void> {
  const now = await api.standing(device === undefined ? filter : { ...filter, device });
  const nowByKey = new Map(now.map((one) => [keyOf(one), one]));
  const gone = [...known.values()].filter(
    (one) => (device === undefined || one.device_id === device) && !nowByKey.has(keyOf(one)),
  );
  const nameOf = await namesOf(
    host,
    [...now, ...gone].map(({ device_id }) => device_id),
  );
  // The oldest change first, as it came.
  for (const one of now.toReversed()) {
    const before = known.get(keyOf(one));
    const told = { ...one, device: nameOf(one.device_id) };
    if (before?.alert_id !== one.alert_id)
      change(host, 'alert', told, before || one.state === 'open' ? '' : stateOf(one));
    if (before && stateOf(before) !== stateOf(one))
      change(host, one.state, told, one.state === 'open' ? '' : stateOf(one));
    known.set(keyOf(one), one);
  }
  for (const id of new Set(gone.map(({ device_id }) => device_id))) {
    const latest = await api.latest(id).catch(() => []);
    for (const one of gone.filter(({ device_id }) => device_id === id)) {
      const end = latest.find(({ check, name }) => (check === undefined ? name === one.name : check === one.check));
      const { name, level, timestamp } = end ?? {
        name: one.name,
        level: 'OK' as const,
        timestamp: new Date().toISOString(),
      };
      known.delete(keyOf(one));
      // What is bad still is no longer of those that are looked for: silenced, or of another level.
      if (level === 'OK') change(host, 'over', { ...one, name, level, timestamp, device: nameOf(id) });
    }
  }
}

const keyOf = ({ device_id, check }: Standing): string => `${device_id}/${check}`;

/** A server that is away for a while is no end: asked again, politely. */
async function persistently(host: Host, work: () => Promise<void>): Promise<void> {
  for (let delay = retry.first; ; delay = Math.min(delay * 2, retry.most)) {
    try {
      return await work();
    } catch (error) {
      if (host.signal.aborted || !passing.has(codeOf(error) ?? '')) throw error;
      host.note(`${messageOf(error)}; trying again`);
      await wait(delay, undefined, { signal: host.signal });
    }
  }
}
