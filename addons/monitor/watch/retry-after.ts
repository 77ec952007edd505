const longestRetryAfter = 3600;

/** Seconds or a date; one that asks for more than an hour is not believed. */
export function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const count = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(count) ? Math.min(Math.max(0, count), longestRetryAfter) : undefined;
}
