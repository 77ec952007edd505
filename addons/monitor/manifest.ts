import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';

/** Checks on the device, alerts on the server, and who is told of them. */
export default defineManifest({
  api: 1,
  id: 'monitor',
  halves: ['server'],
  title: 'Monitoring',
  permissions: { respond: 'acknowledge alerts, and silence them' },
  /** Whoever works with devices may be on call. */
  roles: { operator: ['respond'], support: ['respond'] },
  config: Type.Object({}),
});
