import { defineWeb, type WebHost } from '#addon/web';
import manifest from './manifest.ts';

/** Ports on which devices usually have a page. */
const usual = [80, 443, 3000, 8000, 8080, 8443];

/** Opens web pages of the device, and says how to reach its other ports. */
export default defineWeb(manifest, {
  title: 'Ports',
  mount(element, host) {
    const form = document.createElement('form');
    form.className = 'ports';
    const input = field('Port', { type: 'number', min: '1', max: '65535', required: '', value: '80' });
    const path = field('Path', { type: 'text', value: '/', maxlength: '2048' });
    const tls = field('HTTPS', { type: 'checkbox' });
    const open = document.createElement('button');
    open.textContent = 'Open page';
    const ports = document.createElement('datalist');
    ports.id = 'usual-ports';
    ports.append(...usual.map((port) => Object.assign(document.createElement('option'), { value: String(port) })));
    input.control.setAttribute('list', ports.id);
    input.control.addEventListener('input', () => (tls.control.checked = /^8?443$/.test(input.control.value)));
    form.append(input.label, path.label, tls.label, open, ports);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void show(host, Number(input.control.value), path.control.value || '/', tls.control.checked);
    });
    const hint = document.createElement('p');
    hint.textContent = 'A web page of the device opens in a window of its own, through this server and for you alone.';
    const more = document.createElement('p');
    more.textContent = 'Other ports, and other hosts of its network, from a terminal: ';
    const command = document.createElement('code');
    command.textContent = `patchbay forward ${host.device.name} 22`;
    more.append(command);
    const style = document.createElement('style');
    style.textContent = sheet;
    const place = document.createElement('div');
    place.className = 'ports-addon';
    place.append(style, hint, form, more);
    element.append(place);
    return () => undefined;
  },
});

async function show(host: WebHost<typeof manifest>, port: number, path: string, tls: boolean): Promise<void> {
  // Opened now, while it is plain that the person wants it; a window that comes later is held back by browsers.
  const window = globalThis.open('about:blank', '_blank');
  try {
    const answer = await host.fetch(`/api/management/v1/patchbay/devices/${encodeURIComponent(host.device.id)}/pages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ port, tls, path: path.startsWith('/') ? path : `/${path}` }),
    });
    const { url, error } = (await answer.json()) as { url?: string; error?: string };
    if (!url) throw new Error(error ?? `the server answered ${answer.status}`);
    if (!window) throw new Error('the browser held the window back: allow windows of this page');
    // The page is a stranger's: it is not to reach into this one.
    window.opener = null;
    window.location.replace(url);
  } catch (error) {
    window?.close();
    host.notify(error instanceof Error ? error.message : String(error), 'error');
  }
}

function field(name: string, attributes: Readonly<Record<string, string>>) {
  const label = document.createElement('label');
  const control = document.createElement('input');
  for (const [key, value] of Object.entries(attributes)) control.setAttribute(key, value);
  label.append(name, control);
  return { label, control };
}

const sheet = `
.ports-addon { padding: 16px 20px; }
.ports { display: flex; flex-wrap: wrap; gap: 12px; align-items: end; margin: 12px 0; }
.ports label { display: grid; gap: 4px; font-size: 13px; }
.ports label:has([type='checkbox']) { display: flex; flex-direction: row-reverse; align-items: center; gap: 6px; padding: 7px 0; font-size: 14px; }
.ports input:not([type='checkbox']) { font: inherit; padding: 6px 8px; border: 1px solid #8886; border-radius: 6px;
  background: transparent; color: inherit; }
.ports input[type='number'] { width: 7em; }
.ports button { font: inherit; padding: 7px 14px; border: 0; border-radius: 6px; background: var(--mantine-primary-color-filled, #0f6570); color: #fff; cursor: pointer; }
`;
