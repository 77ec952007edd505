import type { CliHalf, CliHost } from '#addon/cli';
import { addonLoader, defaultOf } from '#addon/loading';
import { checkManifest, type Manifest } from '#addon/manifest';
import type { Fill } from './commands.ts';
import type { Context } from './context.ts';
import { findDevice } from './find-device.ts';
import { failed } from './failure.ts';

/** A command of an add-on, as a row of ours is loaded: nothing of the add-on before it is called. */
export function addonCommand(addon: string, name: string, file: string): () => Promise<{ default: Fill }> {
  return async () => {
    const load = addonLoader(file);
    const manifest = checkManifest(defaultOf(await load(addon, 'manifest')));
    const half = defaultOf(await load(addon, 'cli')) as CliHalf | undefined;
    const fill = half?.[name];
    if (!fill) throw failed(`the add-on ${addon} has no command ${name}`);
    return { default: (command, context) => fill(command, hostFor(manifest, context)) };
  };
}

function hostFor(manifest: Manifest, context: Context): CliHost {
  const { io } = context;
  return {
    stdin: io.in,
    stdout: io.out,
    stderr: io.err,
    signal: context.signal,
    resolveDevice: async (wanted) => await findDevice(await context.http(), wanted),
    async openSession(deviceId) {
      const { protocol } = manifest;
      if (!protocol) throw failed(`the add-on ${manifest.id} has no sessions`);
      const { server, token = '', insecure } = (await context.http()).options;
      const { openSession } = await import('./session.ts');
      return await openSession({
        server,
        token,
        deviceId,
        protocol,
        ...(insecure ? { client: { rejectUnauthorized: false } } : {}),
      });
    },
    fetch: async (path, init) => await (await context.http()).fetch(path, init),
    exit: (code) => void (context.exitCode = code),
  };
}
