import { button, el } from '#addon/web/dom';
import { messageOf } from './api.ts';

/**
 * Asks for something in front of the page. `done` is called with Enter or the button; what it throws is told in the
 * dialog, which stays. Resolves when it is closed: true, it was done.
 */
export function ask(
  parent: HTMLElement,
  title: string,
  content: readonly (Node | string)[],
  verb: string,
  done: () => Promise<unknown>,
): Promise<boolean> {
  const problem = el('p', { className: 'problem', hidden: true, role: 'alert' });
  const act = el('button', { type: 'submit' }, verb);
  const form = el(
    'form',
    {},
    el('h3', {}, title),
    ...content,
    problem,
    el(
      'div',
      { className: 'line foot' },
      el('span', { className: 'gap' }),
      button('Cancel', () => dialog.close(), 'quiet'),
      act,
    ),
  );
  const dialog = el('dialog', { ariaLabel: title }, form);
  parent.append(dialog);
  return new Promise((resolve) => {
    let did = false;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      act.disabled = true;
      done().then(
        () => {
          did = true;
          dialog.close();
        },
        (error: unknown) => {
          act.disabled = false;
          problem.hidden = false;
          problem.textContent = messageOf(error);
        },
      );
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(did);
    });
    dialog.showModal();
  });
}
