import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';

/** Checks on the device, alerts on the server, and who is told of them. */
export default defineManifest({
  api: 1,
  id: 'monitor',
  halves: [],
  title: 'Monitoring',
  config: Type.Object({}),
});
