import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { silentLog, type Log } from '#base/log';
import { loadConfig } from '../config.ts';
import type { ClientOptions } from '../daemon.ts';
import { paths, type Places } from '../places.ts';
import { Journal, type StoredRecord } from '../update/journal.ts';

/** How the recording module behaves: what it answers, and in which states it fails or cuts the power. */
export interface Behaviour {
  readonly needsReboot?: string;
  readonly supportsRollback?: string;
  readonly sizes?: string;
  /** States that exit with 1. */
  readonly fails?: readonly string[];
  /** States that kill the client at their start (`before`) or end (`after`), each once. */
  readonly kills?: readonly string[];
  readonly killsAfter?: readonly string[];
  /** States that kill the client every time. */
  readonly killsAlways?: readonly string[];
  /** Shell lines run in every state, `$1` being the state. */
  readonly extra?: string;
}

/** The folders of a device, apart from all others, and its client. */
export class RigDevice implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'patchbay-client-'));
  readonly places: Places = {
    conf: join(this.root, 'conf'),
    share: join(this.root, 'share'),
    store: join(this.root, 'store'),
  };
  readonly callLog = join(this.root, 'calls');

  constructor(settings: Readonly<Record<string, unknown>>) {
    this.write(paths.config(this.places), JSON.stringify({ ...short, ...settings }));
    this.write(paths.deviceType(this.places), 'device_type=rig\n');
    this.write(paths.identity(this.places), '#!/bin/sh\necho mac=00:11\necho serial=1\n', 0o755);
    this.module({});
  }

  write(file: string, content: string | Uint8Array, mode = 0o644): void {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode });
  }

  /** Installs the recording module. */
  module(behaviour: Behaviour, type = 'recorder'): void {
    const { needsReboot = '', supportsRollback = 'Yes', sizes = '', fails = [], extra = '' } = behaviour;
    const list = (states: readonly string[] | undefined) => ` ${(states ?? []).join(' ')} `;
    this.write(
      join(paths.modules(this.places), type),
      `#!/bin/sh
state=$1
echo "$state" >>'${this.callLog}'
${killer('kills', behaviour.kills, this.root, '$state')}
case "${list(behaviour.killsAlways)}" in *" $state "*) kill -9 $PPID; sleep 1 ;; esac
case "$state" in
  ProvidePayloadFileSizes) ${say(sizes)} ;;
  NeedsArtifactReboot) ${say(needsReboot)} ;;
  SupportsRollback) ${say(supportsRollback)} ;;
esac
${extra}
case "${list(fails)}" in *" $state "*) exit 1 ;; esac
${killer('kills-after', behaviour.killsAfter, this.root, '$state')}
exit 0
`,
      0o755,
    );
  }

  /** The text of a state script that records its name. */
  script(group: string, behaviour: Pick<Behaviour, 'fails' | 'kills' | 'killsAfter'> = {}): string {
    return `#!/bin/sh
echo '${group}' >>'${this.callLog}'
${killer('kills', behaviour.kills, this.root, group)}
case " ${(behaviour.fails ?? []).join(' ')} " in *" ${group} "*) exit 1 ;; esac
${killer('kills-after', behaviour.killsAfter, this.root, group)}
exit 0
`;
  }

  /** Recording state scripts for the given groups of the root file system. */
  rootScripts(groups: readonly string[], behaviour: Pick<Behaviour, 'fails' | 'kills'> = {}): void {
    for (const group of groups)
      this.write(join(paths.rootScripts(this.places), `${group}_01`), this.script(group, behaviour), 0o755);
  }

  /** Module states and state scripts in the order they ran. */
  calls(): string[] {
    return existsSync(this.callLog) ? readFileSync(this.callLog, 'utf8').split('\n').filter(Boolean) : [];
  }

  get journal(): Journal {
    return new Journal(paths.journal(this.places), silentLog);
  }

  record(): StoredRecord {
    return this.journal.read();
  }

  /** The device has an artifact already. */
  installed(artifactName: string, provides: Readonly<Record<string, string>> = {}): void {
    this.journal.write((record) => ({ ...record, artifactName, provides: { ...provides } }));
  }

  options(log: Log = silentLog, second = 10): ClientOptions {
    return { config: loadConfig(this.places, {}, log), places: this.places, log, clock: { second } };
  }

  /** The client in one file as it ships, in place of the sources: it starts in half the time. */
  program: string | undefined;

  /** The real program in its own process; `inside` is a command that starts it, as one of another root would be. */
  spawn(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    inside = (command: readonly string[]): readonly string[] => command,
  ): ChildProcess {
    const source =
      "import('./client/main.ts').then((m) => m.main(process.argv.slice(1))).then((code) => process.exit(code))";
    const client = this.program === undefined ? ['--input-type=module', '-e', source, '--'] : [this.program];
    const [program = '', ...rest] = inside([process.execPath, ...client, ...args]);
    return spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        MENDER_CONF_DIR: this.places.conf,
        MENDER_DATA_DIR: this.places.share,
        MENDER_DATASTORE_DIR: this.places.store,
        DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${this.root}/no-bus`,
        ...env,
      },
    });
  }

  /** A command run to its end. */
  async command(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = this.spawn(args);
    let [stdout, stderr] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Intervals of a test: long where nothing should happen by itself. */
const short = {
  UpdatePollIntervalSeconds: 100_000,
  InventoryPollIntervalSeconds: 100_000,
  RetryPollIntervalSeconds: 2,
  StateScriptRetryIntervalSeconds: 2,
  StateScriptRetryTimeoutSeconds: 60,
};

const say = (answer: string): string => (answer === '' ? ':' : `printf '%s\\n' '${answer}'`);

/** Kills the client once in each of the states: a flag remembers it over the restart. */
function killer(kind: string, states: readonly string[] | undefined, root: string, state: string): string {
  if (!states?.length) return '';
  const flag = `${root}/${kind}-${state}`;
  return `case " ${states.join(' ')} " in *" ${state} "*) if [ ! -e "${flag}" ]; then : >"${flag}"; kill -9 $PPID; sleep 1; fi ;; esac`;
}
