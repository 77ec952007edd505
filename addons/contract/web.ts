import type { MessageOf } from '#proto';
import type { Permission } from '#proto/http/users';
import type { Manifest } from './manifest.ts';
import type { OperatorSession } from './session.ts';
export type { OperatorSession } from './session.ts';

export type Theme = 'light' | 'dark';

/**
 * What the pages lend the web half of an add-on, wherever it draws. A link to a path of this server, made with `<a href>`,
 * is followed without the pages being loaded anew.
 */
export interface AnyWebHost {
  /** The colour scheme now; `onTheme` tells of changes and gives back how to stop listening. */
  readonly theme: Theme;
  onTheme(listener: (theme: Theme) => void): () => void;
  /** A request to the server in the person's name; the path is below the server's root, such as that of a server half. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /**
   * Has the browser download, as a file of this name, what a path of the server answers to a GET in the person's name. It goes
   * to the disk and not through the page, and on from where it was cut if the route answers `Range`.
   */
  download(path: string, name: string): void;
  /** Whether the person has this right, for some devices at least: what he may not do need not be offered. */
  may(permission: Permission): boolean;
  /** A line that goes away by itself, outside of the element. */
  notify(message: string, kind?: 'info' | 'error'): void;
}

/** What the page of one device lends the web half of an add-on. */
export interface WebHost<M extends Manifest = Manifest> extends AnyWebHost {
  readonly device: { readonly id: string; readonly name: string };
  /** The page was opened to sit down at this session of somebody else. */
  readonly join?: string;
  /**
   * Opens a session with the device half of this add-on, over the browser's WebSocket. Rejects with an Error whose
   * message a person can read (device offline, not permitted). Each call is a session of its own, but for `frozen`, with
   * which it is one of a page before this (`OperatorSession.freeze`), and `join`, which is somebody else's, as a guest.
   */
  openSession(options?: {
    readonly frozen?: string | undefined;
    readonly join?: string | undefined;
  }): Promise<OperatorSession<MessageOf<NonNullable<M['protocol']>>>>;
  /**
   * The server half has told of a change for this device (`ServerHost.changed`), or may have while the server was away;
   * gives back how to stop listening.
   */
  onChanged(listener: () => void): () => void;
}

/** What a page of the add-on's own is lent (`Manifest.page`). */
export interface PageHost extends AnyWebHost {
  /**
   * The server half has told of a change for this device; undefined: the server was away, and anything may have changed.
   * Gives back how to stop listening.
   */
  onChanged(listener: (deviceId: string | undefined) => void): () => void;
  /** What the pages call these devices, by id; one that is not found is left out. */
  namesOf(deviceIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** What the page's address had after the question mark when it was opened. */
  readonly query: Readonly<Record<string, string>>;
  /** Has the address keep something, so that it may be handed on, or opened again. */
  keep(query: Readonly<Record<string, string>>): void;
}

/** What the pages show: a tab of a device with this title, whose content the half draws into an element that it owns. */
export interface WebHalf<M extends Manifest = Manifest> {
  readonly title: string;
  /** Draws into `element`, which is empty and has a size; gives back how to take all of it away again. */
  mount(element: HTMLElement, host: WebHost<M>): () => void;
  /** The same for a page of its own, which the manifest announces (`page`). It grows with what is in it. */
  page?(element: HTMLElement, host: PageHost): () => void;
}

/** Default export of an add-on's `./web`. */
export const defineWeb = <M extends Manifest>(_: M, half: WebHalf<M>): WebHalf<M> => half;
