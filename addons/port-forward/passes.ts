import { randomBytes } from 'node:crypto';
import type { Asker } from '#addon/server';

/** A port of a device whose page a person has opened. */
export interface Target {
  readonly deviceId: string;
  readonly port: number;
  /** The page speaks TLS. */
  readonly tls: boolean;
}

/** Who asked for it, by which login and request. */
export type Asked = Omit<Asker, 'access' | 'count'>;

/** Who may see it. */
export interface Pass extends Target, Asked {
  /** Aborts when it is good no more. */
  readonly signal: AbortSignal;
}

interface Kept {
  readonly pass: Pass;
  readonly end: AbortController;
  readonly timer: NodeJS.Timeout;
}

/** A ticket travels in an address, so it is good once and for a short time; a pass lasts a working day, ms. */
const ticketTime = 60_000;
const passTime = 12 * 3600_000;
/** Tickets and passes at a time: beyond it the oldest goes. */
const limit = 10_000;

/** The label of a target's host name: one origin for each port of each device. */
export const labelOf = ({ deviceId, port, tls }: Target): string => `${deviceId}-${port}${tls ? 's' : ''}`;

/** The target of a label; undefined: it is none of these. */
export function targetOf(label: string): Target | undefined {
  const [, deviceId, port = '', tls] = /^([0-9a-f-]{36})-(\d{1,5})(s?)$/.exec(label) ?? [];
  if (!deviceId || Number(port) < 1 || Number(port) > 0xffff) return undefined;
  return { deviceId, port: Number(port), tls: tls === 's' };
}

/** Who may see which page. Kept in memory: a server that starts anew asks people to open their pages anew. */
export class Passes {
  readonly #tickets = new Map<string, Kept>();
  readonly #passes = new Map<string, Kept>();

  /** A word by which the browser, once, gets the pass. */
  ticket(target: Target, { userId, userName, tokenId, requestId, address, userAgent }: Asked): string {
    const asked = { userId, userName, tokenId, requestId, address, userAgent };
    return this.#keep(this.#tickets, { ...target, ...asked }, ticketTime);
  }

  /** The secret of a pass, for a ticket that is good for this label; undefined: it is not, or was used. */
  enter(ticket: string, label: string): string | undefined {
    const kept = this.#tickets.get(ticket);
    if (!kept || labelOf(kept.pass) !== label) return undefined;
    this.#drop(this.#tickets, ticket);
    const { signal: _, ...granted } = kept.pass;
    return this.#keep(this.#passes, granted, passTime);
  }

  of(secret: string, label: string): Pass | undefined {
    const kept = this.#passes.get(secret);
    return kept && labelOf(kept.pass) === label ? kept.pass : undefined;
  }

  /** Ends those of a user, or of one of his logins. */
  revoke(userId: string, tokenId?: string): void {
    for (const all of [this.#tickets, this.#passes])
      for (const [key, { pass }] of all)
        if (pass.userId === userId && (tokenId === undefined || pass.tokenId === tokenId)) this.#drop(all, key);
  }

  #keep(all: Map<string, Kept>, granted: Omit<Pass, 'signal'>, time: number): string {
    const key = randomBytes(32).toString('base64url');
    const end = new AbortController();
    const timer = setTimeout(() => this.#drop(all, key), time);
    timer.unref();
    all.set(key, { pass: { ...granted, signal: end.signal }, end, timer });
    const [oldest] = all.keys();
    if (all.size > limit && oldest !== undefined) this.#drop(all, oldest);
    return key;
  }

  #drop(all: Map<string, Kept>, key: string): void {
    const kept = all.get(key);
    all.delete(key);
    clearTimeout(kept?.timer);
    kept?.end.abort();
  }
}
