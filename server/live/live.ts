import type { LiveEvents } from '#proto/http/live';

/** Tells those who watch what changed; slices call it after their transaction. */
export interface Live {
  tell<E extends keyof LiveEvents>(event: E, ...data: Parameters<LiveEvents[E]>): void;
}

export const nobodyWatches: Live = { tell() {} };
