import { InvalidArgumentError, type Command } from 'commander';
import { messageOf } from '#base/errors';
import type { Context } from '../context.ts';
import type { Demo, Step } from '../demo/demo.ts';
import { BrokenProcess, type Processes } from '../demo/processes.ts';
import { silent } from '../failure.ts';
import { painter } from '../io.ts';

interface Options {
  readonly devices: number;
  readonly port?: number;
  readonly check?: boolean;
  readonly built?: boolean;
  readonly keep?: string;
}

export default function fill(command: Command, context: Context): void {
  command
    .description('Try Patchbay: a server and virtual devices on this machine, until Ctrl-C.')
    .option('--devices <n>', 'how many virtual devices', whole(1, 200), 2)
    .option('--port <port>', 'port of the server; else 8080 or any that is free', whole(1, 65_535))
    .option('--check', 'walk the tour by itself, one line a step; exit code 0 only if all of it holds')
    .option('--built', 'run what `npm run build` made for devices, not the sources')
    .option('--keep <dir>', 'use this folder, which must be empty, and leave it there at the end')
    .action((options: Options) => demo(context, options));
}

const whole = (min: number, max: number) => (value: string) => {
  const number = Number(value);
  if (!Number.isInteger(number) || number < min || number > max) {
    throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
  }
  return number;
};

async function demo(context: Context, { devices, port, check = false, built = false, keep }: Options): Promise<void> {
  const { signal } = context;
  const { startDemo } = await import('../demo/demo.ts');
  const told = new Set<unknown>();
  const step = steps(context, told);
  const started = performance.now();
  const environment = context.env.inherited;
  const given = { environment, devices, port, built, keep, usualPort: check ? 0 : 8080, pollInterval: check ? 1 : 2 };
  let failure: unknown;
  {
    await using running = await startDemo(given, signal, step).catch((error: unknown) => {
      failure = error;
      return undefined;
    });
    try {
      if (running && check) await (await import('../demo/tour.ts')).walk(running, signal, step);
      else if (running) await stay(context, running);
    } catch (error) {
      failure = error;
      if (running && !signal.aborted) await showLogs(context, running.processes, error);
    }
  }
  if (signal.aborted) {
    context.note(check ? 'interrupted; everything is ended' : 'the demo is over, nothing is left running');
    if (check) throw silent();
    return;
  }
  if (failure) throw told.has(failure) ? silent() : failure;
  if (check) context.io.out.write(`all of it holds, ${seconds(started)}\n`);
}

const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** One line a step, when it is over; `told`: errors that such a line has told. */
function steps({ io, signal }: Context, told: Set<unknown>): Step {
  const paint = painter(io, io.out);
  return async (title, work) => {
    const begun = performance.now();
    const line = (word: string) => `${word} ${seconds(begun).padStart(7)}  ${title}`;
    try {
      const result = await work();
      io.out.write(`${paint('green', 'ok')}${line('')}\n`);
      return result;
    } catch (error) {
      if (!signal.aborted) io.out.write(`${paint('red', line('failed'))}: ${messageOf(error)}\n`);
      told.add(error);
      throw error;
    }
  };
}

async function stay({ io, signal }: Context, running: Demo): Promise<void> {
  io.out.write(invitation(running));
  await Promise.race([
    running.processes.broken,
    new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    }),
  ]);
}

function invitation({ url, user, password, folder, environmentFile, greeting, devices }: Demo): string {
  const [device] = devices;
  const first = device?.name ?? 'device-1';
  return `
  Web       ${url}
  User      ${user}
  Password  ${password}

In the browser: log in, open ${first}, and its terminal; Configuration and On call are at the side.
In another shell:

  . ${environmentFile}
  patchbay devices
  patchbay terminal ${first}
  patchbay releases upload ${greeting.file}
  patchbay deploy ${greeting.name} --device ${first}
  cat ${device?.root ?? folder}/greeting.txt

A setting, put into effect by a script of the device and reported back (blue is refused there, and taken back):

  patchbay config set ${first} led=on --deploy
  patchbay config get ${first}

A check of a log: red at once, well again 20 s later:

  echo 'panic: out of coffee' >>${device?.log ?? folder}
  patchbay alerts
  patchbay checks list ${first}

Everything is in ${folder}, logs are in ${folder}/logs. Ctrl-C ends the demo.
`;
}

/** What went wrong is seldom in our own words: the ends of the logs, that of the process in question alone if there is one. */
async function showLogs({ io }: Context, processes: Processes, error: unknown): Promise<void> {
  const all = error instanceof BrokenProcess ? [error.process] : processes.all;
  for (const process of all.filter(({ name }) => all.length === 1 || !name.endsWith('-bus')).slice(0, 4)) {
    io.err.write(`--- the end of ${process.log}\n${await process.tail(all.length === 1 ? 20 : 8)}\n`);
  }
}
