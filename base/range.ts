/** Inclusive ends, as in `Content-Range`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * The part of a file that a `Range` header asks for. `all`: none, several (we may then send everything), or one in
 * another unit; `unsatisfiable`: nothing of it is there (RFC 9110 §14.2).
 */
export function rangeOf(header: string | undefined, size: number): Range | 'all' | 'unsatisfiable' {
  const asked = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  const [, first = '', last = ''] = asked ?? [];
  if (first === '' && last === '') return 'all';
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return 'all';
  return start >= size ? 'unsatisfiable' : { start, end };
}
