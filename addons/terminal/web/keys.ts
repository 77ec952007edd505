import type { Terminal } from '@xterm/xterm';
import type { MessageOf } from '#proto';
import type { OperatorSession } from '#addon/web';
import type { shell } from '../protocol.ts';

/** A paste travels in pieces, so that it can be stopped by a full socket, bytes. */
const piece = 4096;

/** Sends keys at once, and a paste no faster than the link takes it. */
export function typist(
  current: () => OperatorSession<MessageOf<typeof shell>> | undefined,
): (bytes: Uint8Array) => void {
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
export function copyByKey(terminal: Terminal): void {
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
