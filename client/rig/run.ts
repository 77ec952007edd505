import { runClient, type ClientOptions } from '../daemon.ts';
import { Nudges } from '../nudges.ts';
import { makeArtifact } from './artifact.ts';
import { RigDevice } from './device.ts';
import { RigLog } from './log.ts';
import { ScriptedServer, type Call } from './server.ts';

export const isPoll = (call: Call): boolean => call.path.includes('/deployments/next');
export const isFinal = (call: Call): boolean => call.path.endsWith('/status') && /success|failure/.test(call.body);

/** A device, its server, and the client's daemon between them, in this process and without a bus. */
export class RigRun implements AsyncDisposable {
  readonly server: ScriptedServer;
  readonly device: RigDevice;
  readonly log = new RigLog();
  readonly nudges = new Nudges();
  #stop = new AbortController();
  #client: Promise<void> = Promise.resolve();

  private constructor(server: ScriptedServer) {
    this.server = server;
    this.device = new RigDevice({ ServerURL: server.url });
  }

  /** The device has `release-1`, and its daemon does not run yet. */
  static async open(provides: Readonly<Record<string, string>> = {}): Promise<RigRun> {
    process.env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/nonexistent/bus';
    const run = new RigRun(await ScriptedServer.open());
    run.device.installed('release-1', provides);
    return run;
  }

  start(options: Partial<ClientOptions> = {}): void {
    const { device, log, nudges } = this;
    this.#client = runClient({ ...device.options(log), nudges, ...options }, this.#stop.signal);
  }

  /** Ends the daemon in order; it may be started again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#client;
    this.#stop = new AbortController();
  }

  /** How many calls there were. */
  count(wanted: (call: Call) => boolean): number {
    return this.server.calls.filter(wanted).length;
  }

  /** Waits until there were so many calls. */
  async until(wanted: (call: Call) => boolean, times: number): Promise<void> {
    while (this.count(wanted) < times) await this.server.called(wanted, true);
  }

  /** A good update after some trouble shows that it is over. */
  async updates(id = 'good'): Promise<void> {
    this.server.override = undefined;
    this.server.deployment = { id, artifact: makeArtifact() };
    const ended = this.server.called((call) => call.path.includes(`/${id}/`) && isFinal(call));
    this.nudges.check();
    await ended;
    if (this.server.reports.at(-1) !== 'success') throw new Error(`the update after the trouble: ${this.log.text()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.server.close();
    this.device[Symbol.dispose]();
  }
}
