import { defineServer } from '#addon/server';
import { layerRoutes } from './layer-routes.ts';
import manifest from './manifest.ts';
import { referenceRoutes } from './reference-routes.ts';
import { Settings } from './settings.ts';
import { migrations } from './tables.ts';

/** Settings of devices: the reference's routes, and layers with history beyond it (docs/configure.md). */
export default defineServer(manifest, (host) => {
  const settings = new Settings(host);
  return {
    migrations,
    decommissioned: (deviceId) => settings.store.forget(deviceId),
    routes: [...referenceRoutes(host, settings), ...layerRoutes(host, settings)],
  };
});
