type Child = Node | string | undefined | false;

/** An element with properties, and children; what is undefined or false is left out. */
export function el<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  properties: Partial<HTMLElementTagNameMap[T]> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[T] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return element;
}

export function button(text: string, act: () => void, className = ''): HTMLButtonElement {
  const made = el('button', { type: 'button', className }, text);
  made.addEventListener('click', act);
  return made;
}

/** As people of this place write it; the exact one when pointed at. */
export function moment(time: string): HTMLElement {
  const date = new Date(time);
  return el('time', { dateTime: time, title: time }, date.toLocaleString());
}
