import type { Command } from 'commander';
import { CodedError } from '#base/errors';
import type { CliEntry, CliHost } from '#addon/cli';
import type { Manifest } from '#addon/manifest';
import type { Context } from './context.ts';
import { failed } from './failure.ts';
import { findDevice } from './find-device.ts';

/** Lets a built-in add-on add its commands to the program. */
export async function mountAddon(name: string, program: Command, context: Context): Promise<void> {
  const manifest = (await load<{ default: Manifest }>(name, 'manifest')).default;
  const { default: entry } = await load<{ default: CliEntry }>(name, 'cli');
  entry(program, hostOf(manifest, context));
}

async function load<M>(name: string, part: 'manifest' | 'cli'): Promise<M> {
  try {
    return (await import(`#addons/${name}/${part}`)) as M;
  } catch (error) {
    throw failed(`the add-on '${name}' of this installation cannot be loaded`, { cause: error });
  }
}

/** What a cli half is lent (`#addon/cli`). */
function hostOf(manifest: Manifest, context: Context): CliHost {
  const { io, signal } = context;
  return {
    // Whoever is no terminal has no raw mode and no size, and a cli half asks `isTTY` before it needs them.
    stdin: io.in as CliHost['stdin'],
    stdout: io.out as CliHost['stdout'],
    stderr: io.err,
    signal,
    resolveDevice: async (wanted) => {
      const { id, name } = await findDevice(await context.http(), wanted);
      return { id, name };
    },
    openSession: async (deviceId) => {
      const { protocol } = manifest;
      if (!protocol) throw new CodedError('no_protocol', `the add-on '${manifest.id}' has no sessions`);
      const { server, token = '', insecure } = (await context.http()).options;
      const { openSession } = await import('./session.ts');
      const client = insecure ? { client: { rejectUnauthorized: false } } : {};
      return await openSession({ server, token, deviceId, protocol, ...client });
    },
    fetch: async (path, init) => (await context.http()).fetch(path, init),
    exit: (code) => {
      context.exitCode = code;
    },
  };
}
