import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { codeOf, messageOf } from '#base/errors';
import { useradm } from '#proto/http/paths';
import { failed, interrupted } from '../failure.ts';
import { Http } from '../http.ts';
import { writeGreeting } from './artifacts.ts';
import { findBusDaemon } from './bus.ts';
import { Enrolment } from './enrolment.ts';
import { findPrograms, type GivenEnvironment, type Programs } from './places.ts';
import { Processes } from './processes.ts';
import { addUser, choosePort, makePassword, startServer } from './server.ts';
import { startDevice, type VirtualDevice } from './virtual-device.ts';
import { Warden } from './warden.ts';

export interface DemoOptions {
  /** Of the process: PATH, HOME, TMPDIR and the like go on to what is started. */
  readonly environment: GivenEnvironment;
  readonly devices: number;
  readonly port?: number | undefined;
  /** The port if none is given and it is free; 0: any. */
  readonly usualPort?: number;
  /** A folder that is left as it is at the end; undefined: a temporary one that goes. */
  readonly keep?: string | undefined;
  readonly built?: boolean;
  /** Seconds between two looks of a device for a deployment. */
  readonly pollInterval?: number;
}

/** Tells what is going on; runs the work and passes on what comes of it. */
export type Step = <T>(title: string, work: () => Promise<T>) => Promise<T>;

/** A whole installation, running. Disposing of it ends all of it. */
export interface Demo extends AsyncDisposable {
  readonly folder: string;
  readonly programs: Programs;
  readonly processes: Processes;
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly token: string;
  /** A shell that reads this file has a `patchbay` that is logged in here. */
  readonly environmentFile: string;
  /** Ready to be uploaded. */
  readonly greeting: { readonly name: string; readonly file: string };
  readonly devices: readonly VirtualDevice[];
  readonly http: Http;
}

const user = 'admin@example.com';

/** Starts server and devices, accepts them, and resolves when they are connected. */
export async function startDemo(options: DemoOptions, signal: AbortSignal, step: Step = plainly): Promise<Demo> {
  const programs = findPrograms(options.built ?? false, options.environment);
  const busDaemon = await findBusDaemon(`${programs.environment['PATH']}:/usr/bin:/usr/local/bin`);
  const port = await choosePort(options.port, options.usualPort ?? 0);
  await using stack = new AsyncDisposableStack();
  const folder = await makeFolder(options.keep);
  // Beside what follows: the last to end, and only when all else has ended.
  const warden = new Warden(options.keep ? undefined : folder);
  stack.defer(() => warden.dismiss());
  if (!options.keep) stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const logs = join(folder, 'logs');
  await mkdir(logs);
  const processes = stack.use(new Processes(logs, warden));
  const stopped = aborted(signal);
  const guarded: Step = (title, work) => step(title, () => Promise.race([work(), processes.broken, stopped]));

  const password = makePassword();
  const { url } = await guarded('the server answers', () => startServer(programs, processes, { folder, port }));
  const numbers = Array.from({ length: options.devices }, (_, index) => index + 1);
  const device = { folder, serverUrl: url, busDaemon, pollInterval: options.pollInterval ?? 2 };
  const starting = Promise.all(numbers.map((number) => startDevice(programs, processes, { ...device, number })));
  starting.catch(() => undefined); // awaited below; if the user cannot be made, that is what is told
  const token = await guarded('the first user is made and logs in', async () => {
    await addUser(programs, processes, { folder, email: user, password, signal });
    return await logIn(url, password, signal);
  });
  const http = new Http({ server: url, token, insecure: false, signal });
  const started = `${options.devices} ${options.devices === 1 ? 'device is' : 'devices are'} started`;
  const devices = await guarded(started, () => starting);
  const enrolment = new Enrolment(http, signal);
  for (const one of devices) await guarded(`${one.name} appears, pending`, () => enrolment.appears(one));
  for (const one of devices) await guarded(`${one.name} is accepted`, () => enrolment.accept(one));
  for (const one of devices) await guarded(`${one.name} is connected`, () => enrolment.connects(one));
  for (const one of devices) await guarded(`${one.name} tells its name`, () => enrolment.tellsItsName(one));

  const greeting = await writeGreeting(folder, 'greeting-1', 'Hello from Patchbay.\n', devices[0]?.root ?? folder);
  const environmentFile = await writeEnvironment(folder, programs, url, token);
  const owned = stack.move();
  const dispose = { [Symbol.asyncDispose]: () => owned.disposeAsync() };
  const made = { folder, programs, processes, url, user, password, token, environmentFile, devices, http };
  return { ...made, greeting: { name: 'greeting-1', file: greeting }, ...dispose };
}

const plainly: Step = (_, work) => work();

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const stop = () => reject(interrupted());
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return promise;
}

async function makeFolder(keep: string | undefined): Promise<string> {
  if (keep === undefined) return await mkdtemp(join(tmpdir(), 'patchbay-demo-'));
  const folder = resolve(keep);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if ((await readdir(folder)).length) throw failed('it is not empty');
    await chmod(folder, 0o700);
    return folder;
  } catch (error) {
    throw failed(`--keep ${keep} cannot be used: ${codeOf(error) === 'EEXIST' ? 'it is a file' : messageOf(error)}`, {
      cause: error,
    });
  }
}

async function logIn(url: string, password: string, signal: AbortSignal): Promise<string> {
  const credentials = Buffer.from(`${user}:${password}`).toString('base64');
  const http = new Http({ server: url, insecure: false, signal });
  const headers = { authorization: `Basic ${credentials}` };
  return (await http.text('POST', `${useradm}/auth/login`, { headers, json: {} })).trim();
}

/**
 * A login that is nowhere but in the demo's folder: the person's own `patchbay` and where it is logged in stay as they
 * are, and one shell that reads this file works with the demo.
 */
async function writeEnvironment(folder: string, { node, patchbay }: Programs, url: string, token: string) {
  const file = join(folder, 'env');
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const lines = [
    `export PATCHBAY_SERVER=${quoted(url)}`,
    `export PATCHBAY_TOKEN=${quoted(token)}`,
    `patchbay() { ${[node, ...patchbay].map(quoted).join(' ')} "$@"; }`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  return file;
}
