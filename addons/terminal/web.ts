import '@xterm/xterm/css/xterm.css';
import './terminal.css';
import { FitAddon } from '@xterm/addon-fit';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import type { MessageOf } from '#proto';
import { messageOf } from '#base/errors';
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
    terminal.loadAddon(fit);
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
    terminal.onResize(({ cols, rows }) => {
      screen.size(cols, rows);
      session?.send({ typ: 'resize', props: { terminal_width: cols, terminal_height: rows } });
    });
    const type = typist(() => session);

    // Hidden it has no size, and keeps the one it had.
    const refit = () => {
      if (screen.pane.clientWidth > 0 && screen.pane.clientHeight > 0) fit.fit();
    };
    const observer = new ResizeObserver(() => requestAnimationFrame(refit));
    observer.observe(screen.pane);
    const deaf = host.onTheme(colour);

    void run();
    return () => {
      gone = true;
      leave(session);
      observer.disconnect();
      deaf();
      terminal.dispose();
      element.replaceChildren();
    };

    /** One shell from its opening to its end. */
    async function run(): Promise<void> {
      screen.busy(`Connecting to ${host.device.name}…`);
      refit();
      let reason: string;
      try {
        session = await host.openSession();
        if (gone) return leave(session);
        screen.size(terminal.cols, terminal.rows);
        session.send({
          typ: 'new',
          props: { terminal_width: terminal.cols, terminal_height: terminal.rows },
          body: new Uint8Array(),
        });
        terminal.focus();
        reason = await follow(session, terminal, () => screen.open());
      } catch (error) {
        reason = messageOf(error);
      }
      leave(session);
      session = undefined;
      if (gone) return;
      clearModes(terminal);
      screen.ended(reason);
    }
  },
});

/** Draws what the shell says until it ends; resolves to why, for a person. */
async function follow(session: ShellSession, terminal: Terminal, opened: () => void): Promise<string> {
  let ahead = 0;
  for await (const message of session) {
    switch (message.typ) {
      case 'new':
        if (message.props.status === ShellStatus.Error) return plainWords(text.decode(message.body));
        opened();
        break;
      case 'shell': {
        if (message.props.status === ShellStatus.Error) return plainWords(text.decode(message.body));
        const { body } = message;
        ahead += body.length;
        const drawn = new Promise<void>((resolve) =>
          terminal.write(body, () => {
            ahead -= body.length;
            resolve();
          }),
        );
        if (ahead > drawAhead) await drawn;
        break;
      }
      case 'ping':
        session.send({ typ: 'pong', props: {} });
        break;
      case 'stop':
        return plainWords(text.decode(message.body));
      case 'resize':
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
  foot.append(state, button, size);
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
    open: () => become('open', 'Connected. Copy with Ctrl+Shift+C, paste with Ctrl+Shift+V.'),
    ended: (reason: string) => become('ended', `${reason} Press Enter to reconnect.`),
    size: (cols: number, rows: number) => {
      size.textContent = `${cols}×${rows}`;
    },
  };
}
