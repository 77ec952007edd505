import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import commands from './commands.ts';

/** Settings of a device: what it is to have, what it says it has, and the update that carries the one to the other. */
export default defineManifest({
  api: 1,
  id: 'configure',
  title: 'Configuration',
  icon: 'sliders',
  halves: ['server', 'web', 'cli'],
  sessions: 'devices:configure',
  /** Of all devices, and of groups. */
  page: { title: 'Configuration', permission: 'devices:configure' },
  config: Type.Object({}),
  commands,
});
