// A large file up to a device and down again: patchbay cp, scp to this machine, and mender-cli with mender-connect
// through our server. Each run is a whole program, its start included.
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Keys } from '../test/stage/keys.ts';
import type { Rig } from '../test/stage/rig.ts';
import { launcher } from '../test/stage/server.ts';
import { FarAway } from '../test/stage/far-away.ts';
import { attempt, parties, rate, timed } from './load/fleet-of-two.ts';
import { peer, peerEnvironment } from '../test/peers.ts';
import { atLeast, median, type Bench, type Row } from './row.ts';

const rounds = 5;
const size = 512 * 1024 * 1024;

export const run: Bench = async ({ json }) => {
  await using all = await parties(json);
  const { rig, ours, ssh, mender } = all;
  const [from, to] = [join(rig.folder, 'from'), join(rig.folder, 'to')];
  await writeFile(from, Buffer.concat(Array.from({ length: 8 }, () => randomBytes(size / 8))));
  const patchbay = (...args: string[]) => timed(process.execPath, [launcher, 'cp', ...args], rig.env);
  const scp = (...args: string[]) =>
    timed('scp', [
      // Its server's part for SFTP is a package of its own.
      '-O',
      ...(ssh ?? []).map((option) => (option === '-p' ? '-P' : option)),
      ...args,
    ]);
  const cli = (...args: string[]) => timed(mender!.tool, [...mender!.args, 'cp', ...args], mender!.env);
  const contestants = [
    {
      name: 'patchbay',
      least: 0,
      up: () => patchbay(from, `${ours}:${to}`),
      down: () => patchbay(`${ours}:${from}`, to),
    },
    ...(ssh
      ? [{ name: 'scp', least: 0.5, up: () => scp(from, `127.0.0.1:${to}`), down: () => scp(`127.0.0.1:${from}`, to) }]
      : []),
    ...(mender
      ? [
          {
            name: 'mender-cli and mender-connect',
            least: 3,
            up: () => cli(from, `${mender.device}:${to}`),
            down: () => cli(`${mender.device}:${from}`, to),
          },
        ]
      : []),
  ];
  const rows = [];
  for (const way of ['up', 'down'] as const) {
    const rates = new Map(contestants.map(({ name }): [string, number[]] => [name, []]));
    for (let round = 0; round < rounds; round++)
      for (const contestant of contestants) {
        await rm(to, { force: true });
        rates.get(contestant.name)!.push(size / 1e3 / (await contestant[way]()));
      }
    const mine = median(rates.get('patchbay')!);
    for (const { name, least } of contestants.slice(1))
      rows.push(rate('cp', `512 MiB ${way}`, mine, name, median(rates.get(name)!), least));
  }
  rows.push(...(await beside(rig, rig.server.url, ours, from, to)));
  return [...rows, ...((await attempt('a long line', json, overLine)) ?? [])];
};

/** A key at a terminal of the device, alone and while a file is copied: what the one costs the other. */
async function beside(
  rig: Pick<Rig, 'operator' | 'run'>,
  url: string,
  device: string,
  from: string,
  to: string,
  { most = 50, where = '' } = {},
): Promise<Row[]> {
  using keys = await Keys.at(url, rig.operator.token, device);
  const alone = median(await keys.type(where ? 20 : 200));
  const rows: Row[] = [];
  for (const way of ['up', 'down'] as const) {
    await rm(to, { force: true });
    let done = false;
    const args = way === 'up' ? [from, `${device}:${to}`] : [`${device}:${from}`, to];
    const copied = rig.run(['cp', ...args]).finally(() => (done = true));
    const ours = median(await keys.type(where ? 5 : 50, () => done));
    await copied;
    const ratio = ours / alone;
    const what = `key to echo beside a copy ${way}${where}`;
    rows.push({
      bench: 'cp',
      case: what,
      unit: 'ms',
      ours,
      against: 'alone',
      other: alone,
      ratio,
      target: `≤ ${most} ms`,
      met: ours <= most,
    });
  }
  return rows;
}

const farSize = 64 * 1024 * 1024;
/** Mender's has a window of 80 KiB: a larger file would only take longer. */
const farSizeOfMender = 4 * 1024 * 1024;
const farRounds = 3;
/** For a line of 1 MB/s. */
const slowSize = 12 * 1024 * 1024;

/** Over a line of 100 ms: what a window is worth there. */
async function overLine(): Promise<Row[]> {
  await using rig = await FarAway.start();
  const ours = (await rig.device('patchbay')).id;
  const mender = (await rig.device('mender')).id;
  const cli = join(await peer('mender-cli'), 'usr', 'bin', 'mender-cli');
  const env = { ...rig.env, ...(await peerEnvironment('mender-cli')), HOME: rig.folder };
  const login = ['--server', rig.env['PATCHBAY_SERVER']!, '--token-value', rig.env['PATCHBAY_TOKEN']!];
  const [from, small, to] = ['from', 'small', 'to'].map((name) => join(rig.folder, name)) as [string, string, string];
  await writeFile(from, randomBytes(farSize));
  await writeFile(small, randomBytes(farSizeOfMender));
  await rig.line({ delay: 50 });
  const patchbay = (...args: string[]) =>
    timed(...rig.near.command(process.execPath, [launcher, 'cp', ...args]), rig.env);
  const other = (...args: string[]) => timed(...rig.near.command(cli, [...login, 'cp', ...args]), env);
  const rows: Row[] = [];
  for (const way of ['up', 'down'] as const) {
    const [mine, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round < farRounds; round++) {
      await rm(to, { force: true });
      mine.push(
        farSize / 1e3 / (await (way === 'up' ? patchbay(from, `${ours}:${to}`) : patchbay(`${ours}:${from}`, to))),
      );
      await rm(to, { force: true });
      const took = await (way === 'up' ? other(small, `${mender}:${to}`) : other(`${mender}:${small}`, to));
      theirs.push(farSizeOfMender / 1e3 / took);
    }
    rows.push(rate('cp', `64 MiB ${way} at 100 ms`, median(mine), 'mender-cli and mender-connect', median(theirs), 3));
    rows.push(atLeast('cp', `64 MiB ${way} at 100 ms`, median(mine), 10));
  }
  const slow = join(rig.folder, 'slow');
  await writeFile(slow, randomBytes(slowSize));
  rows.push(...(await beside(rig, rig.operator.url, ours, from, to, { most: 300, where: ' at 100 ms' })));
  await rig.line({ rate: 1e6 });
  rows.push(...(await beside(rig, rig.operator.url, ours, slow, to, { most: 300, where: ' at 100 ms and 1 MB/s' })));
  return rows;
}
