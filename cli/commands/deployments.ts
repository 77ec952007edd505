import type { Command } from 'commander';
import type { Deployment, DeploymentDevice } from '#proto/http/deployments';
import { age } from '../age.ts';
import type { Context } from '../context.ts';
import {
  abortDeployment,
  deploymentLog,
  deployments,
  devicesOf,
  findDeployment,
  inWords,
  namesById,
  reason,
  tally,
  wentWell,
} from '../deployments.ts';
import { findDevice } from '../find-device.ts';
import { plain, plainLines } from '../io.ts';
import { collect, count } from '../option.ts';
import { all } from '../paging.ts';

const statuses = ['pending', 'inprogress', 'finished'];
const whichHelp = 'id, name (of several the newest) or a prefix of the id that only one has';

export default function fill(command: Command, context: Context): void {
  command
    .command('list', { isDefault: true })
    .summary('list deployments, newest first (what `patchbay deployments` does)')
    .description('List deployments, newest first.')
    .option('--status <status>', `only ${statuses.join(', ')}`, collect(statuses))
    .option('--search <text>', 'only where name or release has this text')
    .option('--limit <n>', 'no more than these', count)
    .action((options: { status?: string[]; search?: string; limit?: number }) => list(context, options));
  command
    .command('show')
    .description('Show one deployment and what came of it on each device.')
    .argument('<deployment>', whichHelp)
    .action((wanted: string) => show(context, wanted));
  command
    .command('log')
    .description('Print the log that a device sent of a deployment that failed.')
    .argument('<deployment>', whichHelp)
    .argument('<device>', 'id, name or unique prefix')
    .action((wanted: string, device: string) => log(context, wanted, device));
  command
    .command('abort')
    .description('Abort a deployment: devices that have not finished roll back.')
    .argument('<deployment>', whichHelp)
    .action(async (wanted: string) => {
      const http = await context.http();
      const { id, name } = await findDeployment(http, wanted);
      await abortDeployment(http, id);
      context.note(`deployment ${plain(name)} (${id}) aborted`);
      context.show({ id, name, done: 'aborted' }, () => '');
    });
}

async function list(
  context: Context,
  { status, search, limit }: { status?: string[]; search?: string; limit?: number },
) {
  const found = await all(deployments(await context.http(), { status: status?.at(-1), search }, { limit }));
  context.list(
    found,
    [
      { head: 'NAME', of: ({ name }) => name, paint: (cell) => context.paint('bold', cell) },
      { head: 'RELEASE', of: ({ artifact_name }) => artifact_name },
      { head: 'STATUS', of: (one) => one.status, paint: (cell, one) => context.paint(colour(one), cell) },
      { head: 'DEVICES', right: true, of: (one) => `${tally(one).done}/${tally(one).total}` },
      { head: 'OUTCOME', of: inWords },
      { head: 'CREATED', of: ({ created }) => age(created) },
      { head: 'ID', of: ({ id }) => id, paint: (cell) => context.paint('dim', cell) },
    ],
    status || search ? 'no deployment matches' : "no deployments yet: 'patchbay deploy' makes one",
  );
}

function colour(one: Deployment): 'green' | 'yellow' | 'red' {
  if (one.status !== 'finished') return 'yellow';
  const { total, good } = tally(one);
  return good >= total ? 'green' : 'red';
}

async function show(context: Context, wanted: string): Promise<void> {
  const http = await context.http();
  const deployment = await findDeployment(http, wanted);
  const devices = await devicesOf(http, deployment.id);
  const names = await namesById(
    http,
    devices.map(({ id }) => id),
  );
  if (context.options.json) return context.show({ ...deployment, devices }, () => '');
  const { total, done } = tally(deployment);
  const lines: [string, string][] = [
    ['Name', deployment.name],
    ['Id', deployment.id],
    ['Release', deployment.artifact_name],
    ['Status', `${deployment.status}, ${done} of ${total} devices done`],
    ['Created', `${deployment.created} (${age(deployment.created)})`],
    ...(deployment.finished ? [['Finished', deployment.finished] as [string, string]] : []),
  ];
  context.io.out.write(`${lines.map(([head, text]) => `${`${head}:`.padEnd(12)}${plain(text)}\n`).join('')}\n`);
  context.list<DeploymentDevice>(
    devices,
    [
      { head: 'DEVICE', of: ({ id }) => names.get(id) ?? id },
      {
        head: 'STATUS',
        of: (one) => one.status,
        paint: (cell, { status }) => context.paint(wentWell.has(status) ? 'green' : 'yellow', cell),
      },
      { head: 'WHY', of: (one) => (reason(one) === one.status ? '' : reason(one)) },
      { head: 'LOG', of: (one) => (one.log ? 'yes' : '') },
      { head: 'ID', of: ({ id }) => id, paint: (cell) => context.paint('dim', cell) },
    ],
    'no device has asked for it yet',
  );
}

async function log(context: Context, wanted: string, named: string): Promise<void> {
  const http = await context.http();
  const [deployment, device] = [await findDeployment(http, wanted), await findDevice(http, named)];
  const text = await deploymentLog(http, deployment.id, device.id);
  context.show({ deployment: deployment.id, device: device.id, log: text }, () => {
    const whole = text.endsWith('\n') ? text : `${text}\n`;
    return context.io.out.isTTY ? plainLines(whole) : whole;
  });
}
