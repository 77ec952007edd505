import { defineDevice } from '#addon/device';
import manifest from './manifest.ts';

/** Watches the device and says what is wrong. Nothing of it is loaded where it is switched off. */
export default defineDevice(manifest, (device, config) => {
  if (config.Disable) return {};
  return {
    async run(signal) {
      const { Monitor } = await import('./watch/monitor.ts');
      await new Monitor({ device, config }).run(signal);
    },
  };
});
