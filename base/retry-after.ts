/** A server that asks for more than an hour is not believed, s. */
const longest = 3600;

/** Seconds that a `Retry-After` asks to wait: a number of them, or a date (a past one is now). */
export function secondsToWait(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(0, seconds), longest) : undefined;
}
