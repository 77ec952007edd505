import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import commands from './commands.ts';

const Folder = (path: string) => Type.String({ pattern: '^/', maxLength: 4096, default: path });

/** Checks on the device, alerts on the server, and who is told of them. */
export default defineManifest({
  api: 1,
  id: 'monitor',
  halves: ['device', 'server', 'web', 'cli'],
  title: 'Monitoring',
  icon: 'bell',
  // No sessions: what the tab needs is the right to see the device.
  page: {
    title: 'On call',
    permission: 'devices:read',
    count: { path: '/api/management/v1/patchbay/monitor/counts', key: 'open' },
  },
  permissions: { respond: 'acknowledge alerts, and silence them' },
  /** Whoever works with devices may be on call. */
  roles: { operator: ['respond'], support: ['respond'] },
  /** Of the device: its section `Monitor` in Connect's configuration. */
  config: Type.Object({
    Disable: Type.Boolean({ default: false }),
    /** Whether checks are taken from the server at all, and of which types; absent: of all. */
    ServerChecks: Type.Boolean({ default: true }),
    ServerCheckTypes: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 })),
    /** The server may have scripts run that lie in here, and logs read that lie in these; never others. */
    ScriptFolder: Folder('/etc/mender-monitor/scripts'),
    ServerLogFolders: Type.Array(Type.String({ pattern: '^/', maxLength: 4096 }), {
      maxItems: 64,
      default: ['/var/log'],
    }),
    ConfigFolder: Folder('/etc/mender-monitor'),
    LibraryFolder: Folder('/usr/share/mender-monitor'),
    StateFolder: Folder('/var/lib/mender-monitor'),
    /** Alerts that wait for the server take no more than this; the oldest go first. */
    StoreMegabytes: Type.Number({ minimum: 0.1, maximum: 1024, default: 8 }),
  }),
  commands,
});
