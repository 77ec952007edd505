import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import commands from './commands.ts';
import { shell } from './protocol.ts';

const Seconds = Type.Integer({ minimum: 0, maximum: 365 * 24 * 3600 });

/** A shell on the device, for a person at a browser or a terminal. Keys are those of mender-connect (§4.2). */
export default defineManifest({
  api: 1,
  id: 'terminal',
  icon: 'terminal',
  halves: ['device', 'web', 'cli'],
  protocol: shell,
  resumes: true,
  sessions: 'sessions:terminal',
  commands,
  config: Type.Object({
    Disable: Type.Boolean({ default: false }),
    /** The size until the peer says its own. */
    Width: Type.Integer({ minimum: 1, maximum: 0xffff, default: 80 }),
    Height: Type.Integer({ minimum: 1, maximum: 0xffff, default: 40 }),
    User: Type.String({ minLength: 1, maxLength: 256 }),
    ShellCommand: Type.String({ minLength: 1, maxLength: 4096, default: '/bin/sh' }),
    ShellArguments: Type.Array(Type.String({ maxLength: 4096 }), { maxItems: 64, default: ['--login'] }),
    Sessions: Type.Object(
      {
        StopExpired: Type.Boolean({ default: true }),
        ExpireAfter: Type.Integer({ ...Seconds, default: 0 }),
        ExpireAfterIdle: Type.Integer({ ...Seconds, default: 0 }),
        /** Shells of one person at a time. Ours ships 16: a support engineer wants several, and 16 is the device's limit. */
        MaxPerUser: Type.Integer({ minimum: 0, maximum: 1024, default: 16 }),
      },
      { default: {} },
    ),
  }),
});
