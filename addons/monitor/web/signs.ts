import { el } from '#addon/web/dom';
import type { Level } from '../alert.ts';
import { levelWords } from '../words.ts';

/** How bad, as a word on its colour. */
export const levelSign = (level: Level): HTMLElement => el('span', { className: `level ${level}` }, levelWords[level]);

const steps = [
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
] as const;

/** `12 min`, how long ago; the exact time when pointed at. */
export function ago(time: string): HTMLElement {
  const passed = Math.max(0, Date.now() - Date.parse(time));
  const [unit, length] = steps.findLast(([, length]) => passed >= length) ?? steps[0];
  const text = passed < 60_000 ? 'just now' : `${Math.floor(passed / length)} ${unit} ago`;
  return el('time', { dateTime: time, title: new Date(time).toLocaleString() }, text);
}

// C0 and C1 controls, and the marks that turn the direction of writing.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text of a device, with a sign in place of what cannot be seen. */
export const seen = (text: string): string =>
  text.replace(controls, (found) => {
    const code = found.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
  });

/** Several controls in one line. */
export const line = (...children: readonly (Node | string | undefined | false)[]): HTMLElement =>
  el('div', { className: 'line' }, ...children);

export const gap = (): HTMLElement => el('span', { className: 'gap' });

/** A control under its name. */
export const field = (name: string, control: HTMLElement, hint = ''): HTMLElement =>
  el('label', { className: 'field' }, el('span', {}, name), control, hint !== '' && el('small', {}, hint));

export function choice(
  name: string,
  options: readonly (readonly [value: string, text: string])[],
  value: string,
): HTMLSelectElement {
  const made = el('select', { ariaLabel: name }, ...options.map(([value, text]) => el('option', { value }, text)));
  made.value = value;
  return made;
}
