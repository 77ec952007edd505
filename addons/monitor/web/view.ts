import type { PageHost } from '#addon/web';
import type { Api } from './api.ts';

/** One part of the page, shown when it is chosen. */
export interface View {
  readonly element: HTMLElement;
  /** Asks the server, and shows what it says. */
  show(): Promise<void>;
}

/** What the parts of the page share. */
export interface Shared {
  readonly host: PageHost;
  readonly api: Api;
  /** Dialogs are put here. */
  readonly element: HTMLElement;
  /** Shows the part that is open anew. */
  readonly again: () => void;
  /** What the page's address keeps, and how to change it; empty values are left out. */
  readonly query: Readonly<Record<string, string>>;
  readonly keep: (change: Readonly<Record<string, string>>) => void;
}
