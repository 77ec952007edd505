import type { Command } from 'commander';
import { pause } from '#base/backoff';
import type { Deployment, DeploymentDevice } from '#proto/http/deployments';
import type { Context } from '../context.ts';
import {
  createDeployment,
  devicesOf,
  firstOf,
  inWords,
  namesById,
  reason,
  tally,
  watch,
  wentWell,
  type Target,
} from '../deployments.ts';
import { failed, silent, usage } from '../failure.ts';
import { findDevices } from '../find-device.ts';
import type { Http } from '../http.ts';
import { painter, plain } from '../io.ts';
import { collect, count } from '../option.ts';
import { bar, StatusLine } from '../progress.ts';

interface Options {
  readonly device?: string[];
  readonly all?: boolean;
  readonly group?: string;
  readonly name?: string;
  readonly force?: boolean;
  readonly wait: boolean;
  readonly timeout?: number;
}

export default function deploy(command: Command, context: Context): void {
  command
    .argument('<release>', "the release's name")
    .option('-d, --device <device>', 'to this device (id, name or unique prefix); may be repeated', collect())
    .option('--all', 'to every accepted device')
    .option('--group <name>', 'to the devices of a group')
    .option('--name <name>', "the deployment's name; else that of the release")
    .option('--force', 'install even where the release is installed already')
    .option('--no-wait', 'do not wait until it is finished')
    .option('--timeout <s>', 'stop waiting after this many seconds; the deployment goes on', count)
    .addHelpText('after', '\nExit code: 0 if every device has the release, 1 if one has not, 2 for wrong usage.')
    .action((release: string, options: Options) => start(context, release, options));
}

async function start(context: Context, release: string, options: Options): Promise<void> {
  const { device = [], all, group, force, wait, timeout } = options;
  if ([device.length > 0, all, group !== undefined].filter(Boolean).length !== 1) {
    throw usage('say to whom: --device DEVICE (once or more), --all or --group NAME');
  }
  const http = await context.http();
  const target: Target = all
    ? { all }
    : group !== undefined
      ? { group }
      : { devices: (await findDevices(http, device)).map(({ id }) => id) };
  const name = options.name ?? release;
  const id = await createDeployment(http, {
    name,
    artifact_name: release,
    target,
    ...(force ? { force_installation: true } : {}),
  });
  context.note(`deployment ${id} created`);
  if (wait) return await follow(context, http, id, timeout);
  context.show({ id, name, artifact_name: release }, () => '');
}

async function follow(context: Context, http: Http, id: string, timeout?: number): Promise<void> {
  const late = timeout ? Date.now() + timeout * 1000 : Infinity;
  const line = new StatusLine(context.io, 0);
  let last: Deployment | undefined;
  try {
    for await (const deployment of watch(http, id)) {
      last = deployment;
      line.show(() => progress(context, deployment, line.width));
      if (Date.now() > late && deployment.status !== 'finished') {
        line.clear();
        throw failed(`not finished within ${timeout} s (${inWords(deployment)}): it goes on, see ${showing(id)}`);
      }
    }
  } catch (error) {
    line.clear();
    if (context.signal.aborted) context.note(`no longer waiting; the deployment goes on: ${showing(id)}`);
    throw error;
  }
  line.clear();
  if (last) await conclude(context, http, last);
}

const showing = (id: string) => `'patchbay deployments show ${id}'`;

function progress({ io }: Context, deployment: Deployment, width: number): string {
  const { total, done } = tally(deployment);
  const tail = `  ${done}/${total}  ${inWords(deployment)}`;
  const name = plain(deployment.artifact_name);
  const room = Math.max(10, Math.min(30, width - name.length - tail.length - 3));
  return `${name}  ${bar(io, total ? done / total : 0, room)}${tail}`.slice(0, width + 20);
}

async function conclude(context: Context, http: Http, deployment: Deployment): Promise<void> {
  const { total, good } = tally(deployment);
  const devices = await withLogs(http, deployment.id, context.signal);
  const others = devices.filter(({ status }) => !wentWell.has(status));
  const names = await namesById(
    http,
    others.map(({ id }) => id),
  );
  const well = good >= total && total > 0;
  context.show({ ...deployment, ok: well, devices }, () => {
    const paint = painter(context.io, context.io.out);
    const words = inWords(deployment) || 'no device took part';
    const head = `${plain(deployment.artifact_name)}: ${paint(well ? 'green' : 'red', words)}\n`;
    return head + failures(deployment, others, names);
  });
  if (!well) throw silent();
}

/** A device says that it failed and then sends its log: what came of it on each, a moment given for the latter. */
async function withLogs(http: Http, id: string, signal: AbortSignal): Promise<DeploymentDevice[]> {
  for (let tries = 6; ; tries--) {
    const devices = await devicesOf(http, id);
    if (tries === 0 || devices.every(({ status, log }) => status !== 'failure' || log)) return devices;
    if (!(await pause(500, signal))) return devices;
  }
}

function failures({ id }: Deployment, others: readonly DeploymentDevice[], names: ReadonlyMap<string, string>): string {
  const { shown, more } = firstOf(others);
  const lines = shown.map((device) => {
    const name = plain(names.get(device.id) ?? device.id);
    const log = device.log ? `; its log: patchbay deployments log ${id} ${device.id}` : '';
    return `  ${name}: ${reason(device)}${log}\n`;
  });
  return lines.join('') + (more > 0 ? `  and ${more} more: patchbay deployments show ${id}\n` : '');
}
