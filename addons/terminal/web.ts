import '@xterm/xterm/css/xterm.css';
import './terminal.css';
import { FitAddon } from '@xterm/addon-fit';
import { SerializeAddon } from '@xterm/addon-serialize';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import type { MessageOf, Participant } from '#proto';
import { codeOf, messageOf } from '#base/errors';
import { defineWeb, type OperatorSession, type Theme } from '#addon/web';
import manifest from './manifest.ts';
import { ShellStatus, type shell } from './protocol.ts';
import { palettes } from './palette.ts';
import { plainWords } from './plain-words.ts';

type ShellSession = OperatorSession<MessageOf<typeof shell>>;

/** Output that xterm has not drawn yet before the next message waits, bytes. */
const drawAhead = 512 * 1024;
/** A paste travels in pieces, so that it can be stopped by a full socket, bytes. */
const piece = 4096;
const utf8 = new TextEncoder();
const text = new TextDecoder();

/** A terminal that fills the element it is given: one shell at a time, another one after the end. */
export default defineWeb(manifest, {
  title: 'Terminal',
  mount(element, host) {
    const screen = build(element, host.device.name);
    const terminal = new Terminal({
      scrollback: 10_000,
      cursorBlink: true,
      fontFamily: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace',
      fontSize: 13.5,
      lineHeight: 1.15,
      macOptionIsMeta: true,
    });
    const fit = new FitAddon();
    const serializer = new SerializeAddon();
    terminal.loadAddon(fit);
    terminal.loadAddon(serializer);
    terminal.loadAddon(new WebLinksAddon((_, uri) => window.open(uri, '_blank', 'noopener,noreferrer')));
    const colour = (theme: Theme) => {
      terminal.options.theme = palettes[theme];
      screen.root.style.background = palettes[theme].background;
      screen.root.style.color = palettes[theme].foreground;
    };
    colour(host.theme);
    terminal.open(screen.pane);
    copyByKey(terminal);

    let session: ShellSession | undefined;
    let gone = false;
    const reconnect = () => {
      if (!session && !gone) void run();
    };
    screen.button.addEventListener('click', reconnect);
    terminal.onKey(({ domEvent }) => {
      if (domEvent.key === 'Enter') reconnect();
    });
    terminal.onData((data) => type(utf8.encode(data)));
    terminal.onBinary((data) => type(Uint8Array.from(data, (char) => char.charCodeAt(0))));
    terminal.onResize((size) => {
      screen.size(size.cols, size.rows);
      resized(size);
    });
    const type = typist(() => session);
    const drawing = new Drawing(terminal);

    // Hidden it has no size, and keeps the one it had.
    const refit = () => {
      if (screen.pane.clientWidth > 0 && screen.pane.clientHeight > 0) fit.fit();
    };
    const observer = new ResizeObserver(() => requestAnimationFrame(refit));
    observer.observe(screen.pane);
    const deaf = host.onTheme(colour);

    // A page that is loaded anew goes on where this one was: the shell lives on, and the screen is put away for it.
    const shelf = new Shelf(host.device.id);
    const putAway = () => {
      const frozen = session?.freeze?.();
      if (frozen === undefined) return;
      shelf.put({ frozen, screen: serializer.serialize({ scrollback: 2000 }), undrawn: drawing.undrawn });
    };
    const shown = ({ persisted }: PageTransitionEvent) => persisted && void run();
    window.addEventListener('pagehide', putAway);
    window.addEventListener('pageshow', shown);

    void run(host.join);
    return () => {
      gone = true;
      window.removeEventListener('pagehide', putAway);
      window.removeEventListener('pageshow', shown);
      leave(session);
      observer.disconnect();
      deaf();
      terminal.dispose();
      element.replaceChildren();
    };

    /** One shell from its opening to its end; `join`: somebody else's. */
    async function run(join?: string): Promise<void> {
      refit();
      const kept = join === undefined ? shelf.take() : undefined;
      screen.busy(kept ? `Reconnecting to ${host.device.name}…` : `Connecting to ${host.device.name}…`);
      let reason: string;
      try {
        if (kept) drawing.restore(kept.screen, kept.undrawn);
        session = await host.openSession({ frozen: kept?.frozen, join });
        if (gone) return leave(session);
        const opened = () => screen.open(join !== undefined);
        if (kept) opened();
        const links = session.onLink((up) => (up ? opened() : screen.away(host.device.name)));
        session.onPeople?.((people, self) => screen.people(people, self, (typing) => void share(session?.sid, typing)));
        screen.size(terminal.cols, terminal.rows);
        if (kept) {
          resized(terminal);
          terminal.focus();
        } else {
          session.send({
            typ: 'new',
            props: { terminal_width: terminal.cols, terminal_height: terminal.rows },
            body: new Uint8Array(),
          });
          terminal.focus();
        }
        reason = await follow(session, drawing, opened, join === undefined ? undefined : fixed);
        links();
      } catch (error) {
        reason = messageOf(error);
      }
      // Another page has it, or this one when it is shown again.
      if (codeOf(session?.signal.reason) === 'frozen') return;
      leave(session);
      session = undefined;
      if (gone) return;
      clearModes(terminal);
      screen.people([], 0, () => undefined);
      screen.ended(reason);
    }

    function resized({ cols, rows }: { readonly cols: number; readonly rows: number }): void {
      session?.send({ typ: 'resize', props: { terminal_width: cols, terminal_height: rows } });
    }

    /** A guest's screen has the size of the owner's. */
    function fixed(cols: number, rows: number): void {
      observer.disconnect();
      terminal.resize(cols, rows);
    }

    async function share(sid: string | undefined, typing: boolean): Promise<void> {
      const path = `/api/management/v1/patchbay/sessions/${sid}`;
      const headers = { 'Content-Type': 'application/json' };
      const answer = await host.fetch(path, { method: 'PATCH', headers, body: JSON.stringify({ typing }) });
      if (!answer.ok) host.notify('Who may type could not be changed.', 'error');
    }
  },
});

/** Puts output on the screen, and knows what is not on it yet. */
class Drawing {
  readonly #terminal: Terminal;
  readonly #waiting = new Set<Uint8Array>();
  #ahead = 0;
  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }
  /** Resolves when there is room for more. */
  async write(body: Uint8Array): Promise<void> {
    this.#ahead += body.length;
    this.#waiting.add(body);
    const drawn = new Promise<void>((resolve) =>
      this.#terminal.write(body, () => {
        this.#ahead -= body.length;
        this.#waiting.delete(body);
        resolve();
      }),
    );
    if (this.#ahead > drawAhead) await drawn;
  }
  get undrawn(): string {
    return [...this.#waiting].map((body) => Array.from(body, (byte) => String.fromCharCode(byte)).join('')).join('');
  }
  restore(screen: string, undrawn: string): void {
    this.#terminal.reset();
    this.#terminal.write(screen);
    this.#terminal.write(Uint8Array.from(undrawn, (char) => char.charCodeAt(0)));
  }
}

interface Kept {
  readonly frozen: string;
  readonly screen: string;
  /** Output that had arrived and was not drawn, a character a byte. */
  readonly undrawn: string;
}

/** Where a page leaves a terminal for the page that the same tab loads next. */
class Shelf {
  readonly #key: string;
  constructor(device: string) {
    this.#key = `patchbay-terminal-${device}`;
  }
  put(kept: Kept): void {
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(kept));
    } catch {
      // No room, or not allowed: the shell ends when nobody comes back to it.
    }
  }
  take(): Kept | undefined {
    try {
      const text = sessionStorage.getItem(this.#key);
      sessionStorage.removeItem(this.#key);
      return text === null ? undefined : (JSON.parse(text) as Kept);
    } catch {
      return undefined;
    }
  }
}

/** Draws what the shell says until it ends; resolves to why, for a person. `fit`: the size is the owner's. */
async function follow(
  session: ShellSession,
  drawing: Drawing,
  opened: () => void,
  fit?: (cols: number, rows: number) => void,
): Promise<string> {
  for await (const message of session) {
    switch (message.typ) {
      case 'new':
        if (message.props.status === ShellStatus.Error) return plainWords(text.decode(message.body));
        opened();
        break;
      case 'shell':
        if (message.props.status === ShellStatus.Error) return plainWords(text.decode(message.body));
        await drawing.write(message.body);
        break;
      case 'ping':
        session.send({ typ: 'pong', props: {} });
        break;
      case 'stop':
        return plainWords(text.decode(message.body));
      case 'resize':
        fit?.(message.props.terminal_width, message.props.terminal_height);
        break;
      case 'pong':
        break;
    }
  }
  return messageOf(session.signal.reason);
}

/** What a program left switched on (another screen, mouse reports, pasting in brackets) must not outlive its shell. */
function clearModes(terminal: Terminal): void {
  if (terminal.buffer.active.type === 'alternate') terminal.write('\x1b[?1049l');
  terminal.write('\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b[?25h\x1b[0m');
  terminal.write('\r\n');
}

function leave(session: ShellSession | undefined): void {
  if (!session || session.signal.aborted) return;
  session.send({ typ: 'stop', props: {}, body: new Uint8Array() });
  session.close();
}

/** Sends keys at once, and a paste no faster than the link takes it. */
function typist(current: () => ShellSession | undefined): (bytes: Uint8Array) => void {
  let queue: Promise<void> | undefined;
  const give = async (bytes: Uint8Array): Promise<void> => {
    const session = current();
    if (!session) return;
    for (let at = 0; at < bytes.length && !session.signal.aborted; at += piece)
      if (!session.send({ typ: 'shell', props: {}, body: bytes.subarray(at, at + piece) })) await session.drained();
  };
  return (bytes) => {
    if (!queue && bytes.length <= piece) {
      current()?.send({ typ: 'shell', props: {}, body: bytes });
      return;
    }
    const mine = (queue ?? Promise.resolve())
      .then(() => give(bytes))
      .finally(() => {
        if (queue === mine) queue = undefined;
      });
    queue = mine;
  };
}

/**
 * Ctrl+Shift+C copies what is selected and Ctrl+Shift+V pastes: Ctrl+C alone belongs to the shell. The browser's own
 * copy and paste do the work, so that neither needs a permission and the menu of the right button does the same.
 */
function copyByKey(terminal: Terminal): void {
  terminal.attachCustomKeyEventHandler((event) => {
    if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey) return true;
    if (event.code === 'KeyC') {
      event.preventDefault();
      if (event.type === 'keydown' && terminal.hasSelection()) document.execCommand('copy');
      return false;
    }
    // Not kept from the browser: it answers with a paste event, which xterm takes.
    return event.code !== 'KeyV';
  });
}

/** The parts of the page: the pane, and a line under it that says how things stand. */
function build(element: HTMLElement, name: string) {
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
