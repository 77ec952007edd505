import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import { portForward } from './protocol.ts';

/** Connections to what the device can reach, for a person at a workstation. Keys are those of mender-connect (§4.2). */
export default defineManifest({
  api: 1,
  id: 'port-forward',
  halves: ['device', 'cli'],
  protocol: portForward,
  resumes: true,
  commands: { forward: 'reach ports of a device, or of its network, from here' },
  config: Type.Object({
    Disable: Type.Boolean({ default: false }),
    /** Ours: connections at a time, of all people together. */
    MaxConnections: Type.Integer({ minimum: 1, maximum: 65_536, default: 4096 }),
  }),
});
