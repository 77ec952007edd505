import type { LiveEvents } from '#proto/http/live';

/** Tells those who watch what changed; slices call it after their transaction. */
export interface Live {
  tell<E extends keyof LiveEvents>(event: E, ...data: Parameters<LiveEvents[E]>): void;
  /** The same of what is gone by now: `places` are the groups that it was in, or the tags that it had. */
  tellOf<E extends keyof LiveEvents>(places: readonly string[], event: E, ...data: Parameters<LiveEvents[E]>): void;
}

export const nobodyWatches: Live = { tell() {}, tellOf() {} };
