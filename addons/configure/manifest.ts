import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';

/** Settings of a device: what it is to have, what it says it has, and the update that carries the one to the other. */
export default defineManifest({
  api: 1,
  id: 'configure',
  halves: ['server'],
  config: Type.Object({}),
});
