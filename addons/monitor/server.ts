import { defineServer } from '#addon/server';
import manifest from './manifest.ts';
import { monitor } from './server/monitor.ts';

/** Alerts of devices: kept, shown, and told to people (docs/monitor.md). */
export default defineServer(manifest, monitor);
