// Who uses the relay, and what it tells of that.
import type { SessionFacts } from './session-facts.ts';
import type { SessionUse } from './uses.ts';

/** What the relay tells the audit log. `request` is that of the upgrade. */
export interface SessionEvent {
  readonly type: 'opened' | 'used' | 'closed';
  readonly session: SessionFacts;
  /** What it was used for just now (`used`). */
  readonly use?: SessionUse;
  readonly request: { readonly id: string; readonly address: string; readonly userAgent?: string | undefined };
}

/** What stands on somebody's login, and on rights of his on a device: it ends with them. */
export interface Stand {
  readonly userId: string;
  readonly tokenId: string;
  readonly deviceId: string;
  readonly rights: readonly string[];
  end(reason: string): void;
}

/** A guest at a terminal. */
export interface JoinEvent {
  readonly session: SessionFacts;
  readonly person: Person;
  readonly request: SessionEvent['request'];
}

/** Who opened a management socket. */
export interface Person {
  readonly userId: string;
  /** What people call him. */
  readonly name: string;
  /** The login that he came with: his session ends with it. */
  readonly tokenId: string;
  /** Names of the rights on this device that he has: the session ends when one of them is taken away. */
  readonly rights: readonly string[];
  /** Why he may not use this protocol with the device; undefined: he may. */
  refuses(proto: number): string | undefined;
}
