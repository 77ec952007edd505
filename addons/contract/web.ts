import type { MessageOf } from '#proto';
import type { Manifest } from './manifest.ts';
import type { OperatorSession } from './session.ts';
export type { OperatorSession } from './session.ts';

export type Theme = 'light' | 'dark';

/** What the page of one device lends the web half of an add-on. */
export interface WebHost<M extends Manifest = Manifest> {
  readonly device: { readonly id: string; readonly name: string };
  /** The page was opened to sit down at this session of somebody else. */
  readonly join?: string;
  /** The colour scheme now; `onTheme` tells of changes and gives back how to stop listening. */
  readonly theme: Theme;
  onTheme(listener: (theme: Theme) => void): () => void;
  /**
   * Opens a session with the device half of this add-on, over the browser's WebSocket. Rejects with an Error whose
   * message a person can read (device offline, not permitted). Each call is a session of its own, but for `frozen`, with
   * which it is one of a page before this (`OperatorSession.freeze`), and `join`, which is somebody else's, as a guest.
   */
  openSession(options?: {
    readonly frozen?: string | undefined;
    readonly join?: string | undefined;
  }): Promise<OperatorSession<MessageOf<NonNullable<M['protocol']>>>>;
  /** A request to the server in the person's name; the path is below the server's root, such as that of a server half. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** The server half has told of a change for this device (`ServerHost.changed`); gives back how to stop listening. */
  onChanged(listener: () => void): () => void;
  /** A line that goes away by itself, outside of the element. */
  notify(message: string, kind?: 'info' | 'error'): void;
}

/** What the page shows: a tab with this title, whose content the half draws into an element that it owns. */
export interface WebHalf<M extends Manifest = Manifest> {
  readonly title: string;
  /** Draws into `element`, which is empty and has a size; gives back how to take all of it away again. */
  mount(element: HTMLElement, host: WebHost<M>): () => void;
}

/** Default export of an add-on's `./web`. */
export const defineWeb = <M extends Manifest>(_: M, half: WebHalf<M>): WebHalf<M> => half;
