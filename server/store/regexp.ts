import { RE2JS } from 're2js';

const compiled = new Map<string, RE2JS | undefined>();

/**
 * SQL's `text regexp pattern` for SQLite, unanchored. RE2 runs in time linear to the text: a pattern from outside
 * cannot stall the server. A pattern that does not compile matches nothing.
 */
export function regexp(pattern: unknown, text: unknown): 0 | 1 {
  if (typeof pattern !== 'string' || typeof text !== 'string') return 0;
  if (!compiled.has(pattern)) {
    if (compiled.size >= 100) compiled.clear();
    compiled.set(pattern, compile(pattern));
  }
  return compiled.get(pattern)?.matcher(text).find() ? 1 : 0;
}

function compile(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return undefined;
  }
}
