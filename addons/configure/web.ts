import { defineWeb } from '#addon/web';
import manifest from './manifest.ts';
import { DeviceTab } from './web/device-tab.ts';
import { SettingsPage } from './web/page.ts';

/** What a device is to have, what it has, and how that came to be; the same of groups and of all devices. */
export default defineWeb(manifest, {
  title: 'Configuration',
  mount(element, host) {
    const tab = new DeviceTab(host);
    element.append(tab.element);
    void tab.run();
    return () => tab.close();
  },
  page(element, host) {
    const page = new SettingsPage(host);
    element.append(page.element);
    void page.run();
    return () => page.close();
  },
});
