const secret = /pass(word|phrase)?$|secret|credential|private|(^|_)token(2fa)?$|api_?key|recovery_codes/i;
const mask = '***';
const depthLimit = 8;

/** A copy in which no value of a key that sounds like a secret can be read; what is yes or no stays. */
export function masked(content: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return walk(content, 0) as Record<string, unknown>;
}

function walk(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= depthLimit) return '…';
  if (Array.isArray(value)) return value.map((each) => walk(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      secret.test(key) && typeof each !== 'boolean' ? mask : walk(each, depth + 1),
    ]),
  );
}
