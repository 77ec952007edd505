import { CodedError } from '#base/errors';
import { defineCli, type CliHost } from '#addon/cli';
import { Connection } from './connection.ts';
import { get, getStream, type CopyOptions } from './get.ts';
import manifest from './manifest.ts';
import { parsePlace, type Place } from './place.ts';
import { Progress } from './progress.ts';
import { put, putStream } from './put.ts';

type Host = CliHost<typeof manifest>;

const examples = `
Examples:
  patchbay cp raspi:/var/log/syslog .          a file from the device
  patchbay cp -r ./www raspi:/srv/             a folder to it
  patchbay cp raspi:/var/log/syslog - | less   to standard output
  tar c . | patchbay cp - raspi:/tmp/all.tar   from standard input

Modes and times are kept. What is cut goes on where it was, also when the same command is given again.`;

export default defineCli(manifest, {
  cp(command, host) {
    command
      .argument(
        '<paths...>',
        'from one or more to the last; DEVICE:/path is on a device, - is standard input or output',
      )
      .usage('[options] <from...> <to>')
      .option('-r, --recursive', 'folders with all that they hold')
      .option('-p, --owner', 'keep owner and group as well: for root')
      .addHelpText('after', examples)
      .action(async (paths: string[], options: Partial<CopyOptions>) => {
        await copy(host, paths.map(parsePlace), {
          recursive: options.recursive ?? false,
          owner: options.owner ?? false,
        });
      });
  },
});

async function copy(host: Host, places: Place[], options: CopyOptions): Promise<void> {
  const to = places.pop();
  const [first] = places;
  if (!to || !first) throw usage('name where from and where to');
  const remote = [...places, to].filter((place) => place.kind === 'device');
  const [side] = remote;
  if (!side) throw usage('name a device on one side: DEVICE:/path');
  if (places.some(({ kind }) => kind === to.kind))
    throw usage(to.kind === 'device' ? 'from a device to a device: copy it here first' : 'one side is to be a device');
  if (remote.some(({ device }) => device !== side.device))
    throw usage('several devices: copy from one after the other');
  const progress = new Progress(host.stderr);
  const device = await host.resolveDevice(side.device);
  const connection = new Connection(host, device, (line) => progress.say(`${device.name}: ${line}`));
  try {
    for (const from of places) {
      if (to.kind === 'device' && from.path === '-') {
        await putStream(connection, host.stdin as AsyncIterable<Uint8Array>, to.path, progress);
      } else if (to.kind === 'device') await put(connection, from.path, to.path, options, progress);
      else if (to.path === '-') await getStream(connection, from.path, host.stdout, progress);
      else await get(connection, from.path, to.path, options, progress);
    }
  } finally {
    progress.clear();
    connection.close();
    if (to.kind === 'device') host.stdin.destroy();
  }
}

const usage = (message: string): CodedError => new CodedError('usage', message);
