const steps = [
  { unit: 's', ms: 1000, below: 60 },
  { unit: 'min', ms: 60_000, below: 60 },
  { unit: 'h', ms: 3_600_000, below: 48 },
] as const;
const day = 86_400_000;

/** How long ago a time of the API was, `3 min ago`; `-` for none. */
export function age(timestamp: string | undefined, now = Date.now()): string {
  const time = timestamp ? Date.parse(timestamp) : NaN;
  // The zero time of Go servers stands for never.
  if (!Number.isFinite(time) || time <= 0) return '-';
  const passed = Math.max(0, now - time);
  for (const { unit, ms, below } of steps) {
    if (passed < ms * below) return `${Math.floor(passed / ms)} ${unit} ago`;
  }
  return `${Math.floor(passed / day)} d ago`;
}

/** A size as people say it: `1.4 MB`, powers of ten. */
export function bytes(count: number): string {
  let value = count;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 999.5 || unit === 'GB')
      return `${unit === 'B' || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${unit}`;
    value /= 1000;
  }
  return '';
}
