import { runClient } from '../daemon.ts';
import { makeArtifact, type Recipe } from './artifact.ts';
import { RigDevice, type Behaviour } from './device.ts';
import { RigLog } from './log.ts';
import { ScriptedServer, type Call, type Scripted } from './server.ts';

export const artifactGroups = ['Install', 'Reboot', 'Commit', 'Rollback', 'RollbackReboot', 'Failure'].flatMap(
  (state) => ['Enter', 'Leave', 'Error'].map((phase) => `Artifact${state}_${phase}`),
);

export interface Course {
  readonly module?: Behaviour;
  /** Groups of state scripts that fail. */
  readonly scripts?: readonly string[];
  readonly recipe?: Recipe;
  /** What the server says instead. */
  readonly answer?: (call: Call, server: ScriptedServer) => Scripted | undefined;
  /** Before the client starts. */
  readonly prepare?: (device: RigDevice, server: ScriptedServer) => void;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface CourseEnd {
  readonly name: string | undefined;
  readonly provides: Readonly<Record<string, string>>;
  readonly reports: readonly string[];
  readonly calls: readonly string[];
  readonly log: string;
}

/** One deployment from its offer to its end, on a device of its own. */
export async function course({ module = {}, scripts = [], recipe = {}, ...rest }: Course): Promise<CourseEnd> {
  const server = await ScriptedServer.open();
  using device = new RigDevice({ ServerURL: server.url, ...rest.settings });
  const stop = new AbortController();
  const log = new RigLog();
  try {
    device.installed('release-1', { old: '1' });
    device.module(module);
    const ours = Object.fromEntries(
      artifactGroups.map((group) => [`${group}_01`, device.script(group, { fails: scripts })]),
    );
    device.rootScripts(['Download_Enter', 'Download_Leave', 'Download_Error'], { fails: scripts });
    server.deployment = { id: 'd1', artifact: makeArtifact({ scripts: ours, ...recipe }) };
    const { answer } = rest;
    if (answer) server.override = (call) => answer(call, server);
    rest.prepare?.(device, server);
    const client = runClient(device.options(log), stop.signal);
    await log.until('deployment closed');
    stop.abort();
    await client;
    const { artifactName, provides, deployment } = device.record();
    if (deployment) throw new Error(`the deployment is still stored: ${deployment.Name}`);
    return { name: artifactName, provides, reports: server.reports, calls: device.calls(), log: log.text() };
  } finally {
    stop.abort();
    server.close();
  }
}
