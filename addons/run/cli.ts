import { CodedError, messageOf } from '#base/errors';
import { defineCli, type NamedDevice } from '#addon/cli';
import manifest from './manifest.ts';
import { Lines } from './lines.ts';
import { runOn } from './remote.ts';
import type { Host, Take, Work } from './work.ts';

interface Options {
  readonly group?: string;
  readonly all?: boolean;
  readonly parallel: string;
  readonly timeout?: string;
  readonly input: boolean;
}

/** What came of it on one device. */
interface Result {
  readonly device: NamedDevice;
  readonly result: 'ok' | 'failed' | 'timed out' | 'not run';
  /** Undefined: it never ran. */
  readonly exitCode: number | undefined;
  readonly seconds: number;
  /** Why it did not run. */
  readonly error?: string;
}

/** Standard input is read once and given to every device, so it has to fit into memory, bytes. */
const inputLimit = 64 * 1024 * 1024;

const examples = `
Examples:
  patchbay run raspi -- systemctl status ssh      a program with its arguments
  patchbay run raspi pump-2 -- 'uptime; df -h /'  one word is a line for the device's shell
  patchbay run --group plant --timeout 30 -- uname -r
  patchbay run --all --json -- cat /etc/os-release
  patchbay run raspi -- sh -s < setup.sh          it reads standard input

The exit code is that of the command on one device; on several it is 0 if it was 0 on all, else 1.
A command that is not done in time is ended, and counts as 124.`;

export default defineCli(manifest, {
  run(command, host) {
    command
      .usage('[options] [device...] -- <command> [arguments...]')
      .argument('[words...]')
      .option('--group <name>', 'on the accepted devices of a group')
      .option('--all', 'on all accepted devices')
      .option('--parallel <n>', 'on so many devices at a time', '10')
      .option('--timeout <seconds>', 'end it after this time')
      .option('--no-input', 'do not read standard input')
      .addHelpText('after', examples)
      .action(async (_words: string[], options: Options) => {
        const { rawArgs = [] } = command.parent as unknown as { rawArgs?: string[] };
        const dash = rawArgs.indexOf('--');
        const words = dash < 0 ? [] : rawArgs.slice(dash + 1);
        if (words.length === 0) throw usage("write the command after '--': patchbay run DEVICE -- uptime");
        const wanted = command.args.slice(0, command.args.length - words.length);
        if ([wanted.length > 0, options.group !== undefined, options.all].filter(Boolean).length !== 1)
          throw usage('say on which devices: by name, by --group NAME, or --all');
        const parallel = whole('--parallel', options.parallel, 1000);
        const timeout = options.timeout === undefined ? undefined : whole('--timeout', options.timeout, 86_400);
        const devices = await host.findDevices({
          names: wanted,
          ...(options.group === undefined ? {} : { group: options.group }),
        });
        if (devices.length === 0) throw new CodedError('failed', 'there are no such devices');
        const input = options.input && !host.stdin.isTTY ? await inputOf(host) : undefined;
        const work: Work = { command: words, shell: words.length === 1, timeout, input };
        host.exit(
          devices.length === 1 && !host.json
            ? await onOne(host, devices[0]!, work)
            : await onAll(host, devices, work, parallel),
        );
      });
  },
});

/** As if it ran here: its output is ours, its exit code too. */
async function onOne(host: Host, device: NamedDevice, work: Work): Promise<number> {
  const take: Take = (stream, bytes) => written(stream === 'output' ? host.stdout : host.stderr, bytes);
  try {
    const { code, timedOut } = await runOn(host, device, work, take);
    if (!timedOut) return code;
    host.stderr.write(`${device.name}: ended after ${work.timeout} s\n`);
    return 124;
  } catch (error) {
    throw new CodedError('failed', `${device.name}: ${messageOf(error)}`, { cause: error });
  }
}

async function onAll(host: Host, devices: readonly NamedDevice[], work: Work, parallel: number): Promise<number> {
  const results: Result[] = [];
  const said = new Map<NamedDevice, { output: Uint8Array[]; errors: Uint8Array[] }>();
  const waiting = [...devices];
  const width = Math.max(...devices.map(({ name }) => name.length));
  const worker = async (): Promise<void> => {
    for (let device = waiting.shift(); device && !host.signal.aborted; device = waiting.shift())
      results.push(await one(device));
  };
  await Promise.all(Array.from({ length: Math.min(parallel, devices.length) }, worker));
  results.sort((a, b) => devices.indexOf(a.device) - devices.indexOf(b.device));
  if (host.json) host.stdout.write(`${JSON.stringify(results.map(jsonOf), null, 2)}\n`);
  else host.stderr.write(`\n${tableOf(results, width)}`);
  return results.length === devices.length && results.every(({ exitCode }) => exitCode === 0) ? 0 : 1;

  async function one(device: NamedDevice): Promise<Result> {
    const begun = performance.now();
    const prefix = `${device.name.padEnd(width)} | `;
    const kept = { output: [] as Uint8Array[], errors: [] as Uint8Array[] };
    said.set(device, kept);
    const lines = { output: new Lines(prefix, host.stdout), errors: new Lines(prefix, host.stderr) };
    const take: Take = (stream, bytes) => (host.json ? void kept[stream].push(bytes) : lines[stream].take(bytes));
    const seconds = (): number => Math.round((performance.now() - begun) / 10) / 100;
    try {
      const { code, timedOut } = await runOn(host, device, work, take);
      const result = timedOut ? 'timed out' : code === 0 ? 'ok' : 'failed';
      return { device, result, exitCode: timedOut ? 124 : code, seconds: seconds() };
    } catch (error) {
      const why = messageOf(error);
      if (!host.json) host.stderr.write(`${prefix}${why}\n`);
      return { device, result: 'not run', exitCode: undefined, seconds: seconds(), error: why };
    } finally {
      lines.output.end();
      lines.errors.end();
    }
  }

  function jsonOf({ device, result, exitCode, seconds, error }: Result): Record<string, unknown> {
    const { output = [], errors = [] } = said.get(device) ?? {};
    return {
      id: device.id,
      name: device.name,
      result,
      exit_code: exitCode ?? null,
      seconds,
      stdout: Buffer.concat(output).toString(),
      stderr: Buffer.concat(errors).toString(),
      ...(error === undefined ? {} : { error }),
    };
  }
}

function tableOf(results: readonly Result[], width: number): string {
  const row = (device: string, result: string, code: string, seconds: string): string =>
    `${device.padEnd(width)}  ${result.padEnd(9)}  ${code.padStart(4)}  ${seconds.padStart(7)}\n`;
  return (
    row('DEVICE', 'RESULT', 'EXIT', 'SECONDS') +
    results
      .map(({ device, result, exitCode, seconds }) =>
        row(device.name, result, exitCode === undefined ? '–' : String(exitCode), seconds.toFixed(2)),
      )
      .join('')
  );
}

async function inputOf({ stdin }: Host): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const bytes of stdin as AsyncIterable<Buffer>) {
    size += bytes.length;
    if (size > inputLimit)
      throw new CodedError('failed', `standard input is larger than ${inputLimit} bytes: copy it with patchbay cp`);
    pieces.push(bytes);
  }
  return Buffer.concat(pieces);
}

function written(stream: NodeJS.WritableStream, bytes: Uint8Array): Promise<void> | undefined {
  return stream.write(bytes) ? undefined : new Promise((resolve) => void stream.once('drain', resolve));
}

function whole(option: string, given: string, most: number): number {
  const number = Number(given);
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw usage(`${option} ${given}: a whole number from 1 to ${most} is wanted`);
  return number;
}

const usage = (message: string): CodedError => new CodedError('usage', message);
