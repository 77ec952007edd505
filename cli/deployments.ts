import { Backoff, pause } from '#base/backoff';
import { codeOf } from '#base/errors';
import type { Counters, Deployment, DeploymentDevice, DeviceDeploymentStatus } from '#proto/http/deployments';
import type { NewDeployment } from '#proto/http/deployments';
import { deploymentsV1 } from '#proto/http/paths';
import { objectOf } from './answer.ts';
import { failed, interrupted } from './failure.ts';
import { fleet } from './fleet.ts';
import { Refusal, type Http } from './http.ts';
import { plain } from './io.ts';
import { all, pages, type Range } from './paging.ts';

const path = `${deploymentsV1}/deployments`;
const shape = {
  id: 'string',
  name: 'string',
  artifact_name: 'string',
  status: 'string',
  statistics: 'object',
} as const;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const firstOnes = 12;

export type Target = { readonly devices: readonly string[] } | { readonly all: true } | { readonly group: string };

/** The new deployment's id. */
export async function createDeployment(
  http: Http,
  { target, ...rest }: { name: string; artifact_name: string; force_installation?: boolean; target: Target },
): Promise<string> {
  const whom = 'devices' in target ? { devices: [...target.devices] } : 'all' in target ? { all_devices: true } : {};
  const json: NewDeployment = { ...rest, ...whom };
  const to = 'group' in target ? `${path}/group/${encodeURIComponent(target.group)}` : path;
  const what = `deployment of '${rest.artifact_name}'`;
  const response = await http.request('POST', to, { json, what }).catch((error: unknown) => {
    if (!(error instanceof Refusal) || error.status !== 422) throw error;
    throw failed(`there is no release '${rest.artifact_name}': 'patchbay releases' lists them`, { cause: error });
  });
  const id = response.headers.get('location')?.split('/').at(-1);
  if (!id) throw failed('the server made a deployment but did not say which');
  return id;
}

export const deployments = (http: Http, query: Record<string, string | undefined>, range: Range = {}) =>
  pages<Deployment>(http, path, shape, { query, what: 'deployments' }, range);

export async function readDeployment(http: Http, id: string): Promise<Deployment> {
  const answer = await http.json('GET', `${path}/${encodeURIComponent(id)}`, { what: `deployment ${id}` });
  return objectOf<Deployment>(answer, shape, 'the deployment');
}

export const devicesOf = (http: Http, id: string) =>
  all(
    pages<DeploymentDevice>(
      http,
      `${path}/${encodeURIComponent(id)}/devices/list`,
      { id: 'string', status: 'string' },
      { what: 'its devices' },
    ),
  );

export const abortDeployment = (http: Http, id: string) =>
  http.request('PUT', `${path}/${encodeURIComponent(id)}/status`, {
    json: { status: 'aborted' },
    what: `deployment ${id}`,
  });

export const deploymentLog = (http: Http, id: string, device: string) =>
  http.text('GET', `${path}/${encodeURIComponent(id)}/devices/${encodeURIComponent(device)}/log`, {
    what: 'the log of that device in that deployment',
  });

/** The deployment meant: its id, its name (of several the newest), or a prefix of the id that only it has. */
export async function findDeployment(http: Http, wanted: string): Promise<Deployment> {
  if (uuid.test(wanted)) return await readDeployment(http, wanted);
  const known = await all(deployments(http, {}));
  const named = known.find(({ name }) => name === wanted);
  const found = named ? [named] : known.filter(({ id }) => id.startsWith(wanted.toLowerCase()));
  const [first, second] = found;
  if (!first || !wanted) throw failed(`there is no deployment '${wanted}': 'patchbay deployments' lists them`);
  if (!second) return first;
  const ids = found.slice(0, 5).map(({ id, name, created }) => `${id} (${plain(name)}, ${created})`);
  throw failed(`'${wanted}' may be any of ${ids.join(', ')}${found.length > 5 ? ' and more' : ''}: give the id`);
}

/** Names of devices by id; a device that is gone keeps its id. */
export async function namesById(http: Http, ids: readonly string[]): Promise<Map<string, string>> {
  const names = new Map(ids.map((id) => [id, id]));
  for (let at = 0; at < ids.length; at += 1000) {
    for await (const { id, name } of fleet(http, { device_ids: ids.slice(at, at + 1000) })) names.set(id, name);
  }
  return names;
}

export const wentWell: ReadonlySet<DeviceDeploymentStatus> = new Set(['success', 'already-installed']);

/** How many devices a deployment means, and how many have done with it. */
export function tally({ statistics, max_devices, device_count }: Deployment) {
  const counters = (statistics.status ?? {}) as Partial<Counters>;
  const of = (status: DeviceDeploymentStatus) => counters[status] ?? 0;
  const good = of('success') + of('already-installed');
  const bad = of('failure') + of('noartifact') + of('aborted') + of('decommissioned');
  return { total: max_devices ?? Math.max(device_count, good + bad), good, done: good + bad };
}

/** `1 success, 2 downloading`: the counters that are not zero. */
export const inWords = ({ statistics }: Deployment): string =>
  Object.entries(statistics.status ?? {})
    .filter(([, count]) => count > 0)
    .map(([status, count]) => `${count} ${status}`)
    .join(', ');

/** How long a server may be away while we wait for it, ms: a restart must not fail somebody's pipeline. */
const patience = 60_000;

/**
 * The deployment each time it was looked at, until it is finished (that one is the last). Looks often while it moves,
 * seldom while it does not.
 */
export async function* watch(http: Http, id: string): AsyncGenerator<Deployment> {
  const { signal } = http.options;
  const delays = new Backoff({ first: 250, ceiling: 2000, factor: 1.3, jitter: 0 });
  let before = '';
  let heard = performance.now();
  for (;;) {
    try {
      const deployment = await readDeployment(http, id);
      heard = performance.now();
      yield deployment;
      if (deployment.status === 'finished') return;
      const now = JSON.stringify(deployment.statistics);
      if (now !== before) delays.reset();
      before = now;
    } catch (error) {
      const passing =
        codeOf(error) === 'unreachable' || (error instanceof Refusal && (error.status >= 500 || error.status === 429));
      if (!passing || performance.now() - heard > patience) throw error;
    }
    if (!(await pause(delays.next(), signal))) throw interrupted();
  }
}

/** Why a device did not update, in a few words. */
export function reason({ status, substate }: DeploymentDevice): string {
  const words: Partial<Record<DeviceDeploymentStatus, string>> = {
    noartifact: 'no artifact of the release fits its device type',
    aborted: 'the deployment was aborted before it had done',
    decommissioned: 'it was decommissioned',
  };
  return substate ? `${status}, ${plain(substate)}` : (words[status] ?? status);
}

/** The first few of a list, and how many more there are. */
export const firstOf = <T>(items: readonly T[]) => ({
  shown: items.slice(0, firstOnes),
  more: items.length - firstOnes,
});
