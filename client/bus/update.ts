import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { update1 } from '#proto/update1';
import type { Nudges } from '../nudges.ts';
import type { Holds } from '../update/holds.ts';
import type { Status } from '../update/status.ts';
import type { Service } from './serve.ts';

export interface UpdateOptions {
  readonly status: Status;
  readonly holds: Holds;
  readonly nudges: Nudges;
  readonly log: Log;
}

type Values = Readonly<Record<keyof typeof update1.properties, unknown>>;

/** The service io.patchbay.Client (`proto/update1.ts`): state of the update, and when it suits. */
export function updateService({ status, holds, nudges, log }: UpdateOptions): Service {
  const values = (): Values => {
    const { state, deployment, artifact, installed, progress, last, configurationError } = status.now;
    return {
      State: state,
      DeploymentId: deployment,
      ArtifactName: artifact,
      InstalledArtifact: installed,
      Progress: progress,
      DeferredUntil: holds.until,
      DeferrableSeconds: holds.left,
      LastResult: [last.deployment, last.artifact, last.result, last.at, last.reason],
      ConfigurationError: configurationError,
    };
  };
  return {
    name: update1.name,
    path: update1.path,
    lost: 'nobody on the device can follow or defer an update',
    create: ({ interface: { Interface }, DBusError }) => {
      const told = <T>(act: () => T): T => {
        try {
          return act();
        } catch (error) {
          throw new DBusError(`${update1.errors}${words(codeOf(error) ?? 'failed')}`, messageOf(error));
        }
      };
      class Update extends Interface {
        Defer(seconds: number): number {
          return told(() => holds.defer(seconds));
        }
        Proceed(): void {
          told(() => holds.proceed());
        }
        CheckForUpdate(): void {
          nudges.check();
        }
        SendInventory(): void {
          nudges.inventory();
        }
        StateChanged(state: string, deployment: string): string[] {
          return [state, deployment];
        }
      }
      const signature = (args: readonly (readonly [string, string])[]) => args.map(([, type]) => type).join('');
      const { properties, methods, signals } = update1;
      Update.configureMembers({
        properties: Object.fromEntries(
          Object.entries(properties).map(([name, type]) => [name, { signature: type, access: 'read' as const }]),
        ),
        methods: Object.fromEntries(
          Object.entries(methods).map(([name, { in: given, out }]) => [
            name,
            { inSignature: signature(given), outSignature: signature(out) },
          ]),
        ),
        signals: Object.fromEntries(
          Object.entries(signals).map(([name, args]) => [name, { signature: signature(args) }]),
        ),
      });
      for (const name of Object.keys(properties) as (keyof Values)[])
        Object.defineProperty(Update.prototype, name, { get: () => values()[name] });
      const face = new Update(update1.interface);

      let sent = values();
      const tell = () => {
        const now = values();
        const changed = Object.entries(now).filter(
          ([name, value]) => JSON.stringify(value) !== JSON.stringify(sent[name as keyof Values]),
        );
        if (changed.length === 0) return;
        const moved = now.State !== sent.State;
        sent = now;
        try {
          Update.emitPropertiesChanged(face, Object.fromEntries(changed));
          if (moved) face.StateChanged(String(now.State), String(now.DeploymentId));
        } catch (error) {
          log.warn('D-Bus signal lost', { error: messageOf(error) });
        }
      };
      const follow = () => {
        status.on('changed', tell);
        holds.on('changed', tell);
        return () => {
          status.off('changed', tell);
          holds.off('changed', tell);
        };
      };
      return { face, follow };
    },
  };
}

/** `defer_limit` → `DeferLimit`, as D-Bus spells the names of errors. */
const words = (code: string): string =>
  code
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
