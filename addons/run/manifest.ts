import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import commands from './commands.ts';
import { run } from './protocol.ts';

/** Commands on the device, as the user that its terminals have. Whoever may open a terminal may run one. */
export default defineManifest({
  api: 1,
  id: 'run',
  halves: ['device', 'cli'],
  protocol: run,
  sessions: 'sessions:terminal',
  audit: { start: ['command', 'timeout'] },
  commands,
  config: Type.Object({
    Disable: Type.Boolean({ default: false }),
    /** Where there are to be no shells there are no commands either. */
    Terminal: Type.Object({ Disable: Type.Boolean({ default: false }) }, { default: {} }),
    User: Type.String({ minLength: 1, maxLength: 256 }),
    ShellCommand: Type.String({ minLength: 1, maxLength: 4096, default: '/bin/sh' }),
    /** Commands at a time, of all people together. */
    MaxRunning: Type.Integer({ minimum: 1, maximum: 1024, default: 32 }),
  }),
});
