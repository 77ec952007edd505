import '@xterm/xterm/css/xterm.css';
import './terminal.css';
import { FitAddon } from '@xterm/addon-fit';
import { SerializeAddon } from '@xterm/addon-serialize';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import type { MessageOf } from '#proto';
import { codeOf, messageOf } from '#base/errors';
import { defineWeb, type OperatorSession, type Theme } from '#addon/web';
import manifest from './manifest.ts';
import { ShellStatus, type shell } from './protocol.ts';
import { palettes } from './palette.ts';
import { plainWords } from './plain-words.ts';
import { FirstWord } from './first-word.ts';
import { clearModes, Drawing } from './web/drawing.ts';
import { build } from './web/frame.ts';
import { copyByKey, typist } from './web/keys.ts';
import { Shelf } from './web/shelf.ts';

type ShellSession = OperatorSession<MessageOf<typeof shell>>;

const utf8 = new TextEncoder();
const text = new TextDecoder();
const muteShell = 'The shell says nothing, as some of mender-connect do. Opening another…';

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
        const line = await host.openSession({ frozen: kept?.frozen, join });
        const opened = () => screen.open(join !== undefined);
        const another = (opening: boolean) => (opening ? screen.busy(muteShell) : opened());
        session = join === undefined ? new FirstWord(line, another) : line;
        if (gone) return leave(session);
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

function leave(session: ShellSession | undefined): void {
  if (!session || session.signal.aborted) return;
  session.send({ typ: 'stop', props: {}, body: new Uint8Array() });
  session.close();
}
