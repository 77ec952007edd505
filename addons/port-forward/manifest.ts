import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import commands from './commands.ts';
import { portForward } from './protocol.ts';

/** Connections to what the device can reach, for a person at a workstation. Keys are those of mender-connect (§4.2). */
export default defineManifest({
  api: 1,
  id: 'port-forward',
  halves: ['device', 'server', 'web', 'cli'],
  title: 'Ports',
  icon: 'plug',
  protocol: portForward,
  resumes: true,
  sessions: 'sessions:forward',
  audit: { new: ['protocol', 'remote_host', 'remote_port'] },
  commands,
  config: Type.Object({
    Disable: Type.Boolean({ default: false }),
    /** Ours: connections at a time, of all people together. */
    MaxConnections: Type.Integer({ minimum: 1, maximum: 65_536, default: 4096 }),
  }),
});
