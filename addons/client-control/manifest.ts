import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import commands from './commands.ts';
import { clientControl } from './protocol.ts';

const Path = Type.String({ minLength: 1, maxLength: 4096 });

/** Tells the device's update client to look for updates, or to send its inventory, now (§3.6). */
export default defineManifest({
  api: 1,
  id: 'client-control',
  halves: ['device', 'cli'],
  protocol: clientControl,
  sessions: 'devices:manage',
  commands,
  config: Type.Object({
    MenderClient: Type.Object(
      {
        Disable: Type.Boolean({ default: false }),
        /** Ours: file in which Patchbay's client says its process id. */
        PidFile: Type.String({ default: '/var/lib/mender/patchbay-client.pid', maxLength: 4096 }),
        /** Ours: programs of other clients, called with the word; the first that is there. */
        Programs: Type.Array(Path, { default: ['/usr/bin/mender-update', '/usr/bin/mender'], maxItems: 16 }),
      },
      { default: {} },
    ),
  }),
});
