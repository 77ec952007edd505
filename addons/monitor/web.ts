import { defineWeb } from '#addon/web';
import manifest from './manifest.ts';
import { OnCall } from './web/on-call.ts';
import { Tab } from './web/tab.ts';

export default defineWeb(manifest, {
  title: 'Monitoring',
  mount(element, host) {
    const tab = new Tab(host);
    element.append(tab.element);
    return () => tab.close();
  },
  page(element, host) {
    const page = new OnCall(host);
    element.append(page.element);
    return () => page.close();
  },
});
