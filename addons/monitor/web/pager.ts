import { button, el } from '#addon/web/dom';
import { gap, line } from './signs.ts';

/** Which of them are shown, and the way to the others; nothing when all are. */
export function pager(
  page: number,
  perPage: number,
  total: number,
  go: (page: number) => void,
): HTMLElement | undefined {
  if (total <= perPage && page === 1) return undefined;
  const last = Math.max(1, Math.ceil(total / perPage));
  const to = (name: string, page: number, possible: boolean): HTMLButtonElement =>
    Object.assign(
      button(name, () => go(page), 'quiet'),
      { disabled: !possible },
    );
  const first = (page - 1) * perPage + 1;
  const element = line(
    el('span', { className: 'dim' }, `${total === 0 ? 0 : first}–${Math.min(total, page * perPage)} of ${total}`),
    gap(),
    to('Newer', page - 1, page > 1),
    to('Older', page + 1, page < last),
  );
  element.classList.add('pager');
  return element;
}
