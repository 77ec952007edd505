import { el } from '#addon/web/dom';

/** A list whose rows stay as they are while nothing of them changes; what had the focus has it afterwards. */
export class Rows<T> {
  readonly element: HTMLElement = el('ul', { className: 'list' });
  readonly #keyOf: (item: T) => string;
  readonly #draw: (item: T) => HTMLElement;
  #rows = new Map<string, { readonly content: string; readonly element: HTMLElement }>();

  constructor(label: string, keyOf: (item: T) => string, draw: (item: T) => HTMLElement) {
    this.element.ariaLabel = label;
    this.#keyOf = keyOf;
    this.#draw = draw;
  }

  show(items: readonly T[]): void {
    const { activeElement: active } = document;
    const [focusedKey, focused] = [...this.#rows].find(([, row]) => row.element.contains(active)) ?? [];
    const act = active instanceof HTMLElement ? active.dataset['act'] : undefined;
    // What they say of time grows older by itself.
    const minute = Math.floor(Date.now() / 60_000);
    const before = this.#rows;
    this.#rows = new Map(
      items.map((item) => {
        const key = this.#keyOf(item);
        const content = `${minute} ${JSON.stringify(item)}`;
        const known = before.get(key);
        return [key, known?.content === content ? known : { content, element: this.#draw(item) }];
      }),
    );
    const now = [...this.#rows.values()].map(({ element }) => element);
    if (now.length !== this.element.childElementCount || now.some((row, at) => row !== this.element.children[at]))
      this.element.replaceChildren(...now);
    this.element.hidden = now.length === 0;
    if (focusedKey === undefined || document.activeElement === active) return;
    const row = this.#rows.get(focusedKey)?.element;
    if (row && row === focused?.element && active instanceof HTMLElement) active.focus({ preventScroll: true });
    else if (act !== undefined) row?.querySelector<HTMLElement>(`[data-act="${act}"]`)?.focus({ preventScroll: true });
  }

  /** Draws this one anew when it is shown next. */
  spoil(key: string): void {
    const row = this.#rows.get(key);
    if (row) this.#rows.set(key, { ...row, content: '' });
  }
}

/** A button that is found again after its row was drawn anew. */
export function act(
  name: string,
  text: string,
  label: string,
  work: () => void,
  className = 'quiet',
): HTMLButtonElement {
  const made = el('button', { type: 'button', className, ariaLabel: label }, text);
  made.dataset['act'] = name;
  made.addEventListener('click', work);
  return made;
}
