import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import commands from './commands.ts';

/** Checks on the device, alerts on the server, and who is told of them. */
export default defineManifest({
  api: 1,
  id: 'monitor',
  halves: ['server', 'web', 'cli'],
  title: 'Monitoring',
  // No sessions: what the tab needs is the right to see the device.
  page: {
    title: 'On call',
    permission: 'devices:read',
    count: { path: '/api/management/v1/patchbay/monitor/counts', key: 'open' },
  },
  permissions: { respond: 'acknowledge alerts, and silence them' },
  /** Whoever works with devices may be on call. */
  roles: { operator: ['respond'], support: ['respond'] },
  config: Type.Object({}),
  commands,
});
