import type { Participant } from '#proto';

/** The parts of the page: the pane, and a line under it that says how things stand. */
export function build(element: HTMLElement, name: string) {
  const root = document.createElement('section');
  root.className = 'terminal-addon';
  root.setAttribute('aria-label', `Terminal of ${name}`);
  const pane = document.createElement('div');
  pane.className = 'terminal-pane';
  const foot = document.createElement('div');
  foot.className = 'terminal-foot';
  const state = document.createElement('span');
  state.setAttribute('role', 'status');
  const size = document.createElement('span');
  size.className = 'terminal-size';
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Reconnect';
  button.hidden = true;
  const crowd = document.createElement('span');
  crowd.className = 'terminal-people';
  const sharing = document.createElement('button');
  let toggle = (): void => undefined;
  sharing.addEventListener('click', () => toggle());
  sharing.type = 'button';
  sharing.hidden = true;
  foot.append(state, crowd, sharing, button, size);
  root.append(pane, foot);
  element.replaceChildren(root);
  const become = (now: string, message: string) => {
    root.dataset['state'] = now;
    state.textContent = message;
    button.hidden = now !== 'ended';
  };
  return {
    root,
    pane,
    button,
    busy: (message: string) => become('busy', message),
    open: (guest: boolean) =>
      become('open', `${guest ? 'Watching' : 'Connected'}. Copy with Ctrl+Shift+C, paste with Ctrl+Shift+V.`),
    away: (device: string) => become('away', `Reconnecting to ${device}… What you type now is sent when it is back.`),
    /** Who else is here; the owner lets them type, or only watch. */
    people(all: readonly Participant[], self: number, share: (typing: boolean) => void) {
      const others = all.filter((_, index) => index !== self);
      const words = { owner: 'has this terminal', types: 'types too', watches: 'watches' } as const;
      crowd.textContent = others.map(({ name, role }) => `${name} ${words[role]}`).join(', ');
      const typing = others.some(({ role }) => role === 'types');
      sharing.hidden = self !== 0 || others.length === 0;
      sharing.textContent = typing ? 'Let them only watch' : 'Let them type';
      toggle = () => share(!typing);
    },
    ended: (reason: string) => become('ended', `${reason} Press Enter to reconnect.`),
    size: (cols: number, rows: number) => {
      size.textContent = `${cols}×${rows}`;
    },
  };
}
