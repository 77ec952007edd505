import { defineDevice } from '#addon/device';
import manifest from './manifest.ts';

/**
 * Watches the device and says what is wrong. Nothing of it is loaded where it is switched off, and little before there is
 * something to watch.
 */
export default defineDevice(manifest, (device, config) => {
  if (config.Disable) return {};
  return {
    async run(signal) {
      const { untilNeeded } = await import('./watch/waiting.ts');
      if (!(await untilNeeded({ device, config }, signal))) return;
      const { Monitor } = await import('./watch/monitor.ts');
      await new Monitor({ device, config }).run(signal);
    },
  };
});
