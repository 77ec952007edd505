// A large file up to a device and down again: patchbay cp, scp to this machine, and mender-cli with mender-connect
// through our server. Each run is a whole program, its start included.
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { launcher } from '../test/stage/server.ts';
import { parties, rate, timed } from './load/fleet-of-two.ts';
import { median, type Bench } from './row.ts';

const rounds = 5;
const size = 512 * 1024 * 1024;

export const run: Bench = async ({ json }) => {
  await using all = await parties(json);
  const { rig, ours, ssh, mender } = all;
  const [from, to] = [join(rig.folder, 'from'), join(rig.folder, 'to')];
  await writeFile(from, Buffer.concat(Array.from({ length: 8 }, () => randomBytes(size / 8))));
  const patchbay = (...args: string[]) => timed(process.execPath, [launcher, 'cp', ...args], rig.env);
  const scp = (...args: string[]) =>
    timed('scp', [...(ssh ?? []).map((option) => (option === '-p' ? '-P' : option)), ...args]);
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
  return rows;
};
