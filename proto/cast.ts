import { CodedError } from '#base/errors';

/*
 * Recordings are asciicast v2 (a line of JSON for the header, one for each event), which is text. What a terminal says
 * is bytes: those that are no UTF-8 are written as lone surrogates, U+DC80…U+DCFF for 0x80…0xFF, which JSON can spell
 * (`\udcff`), no UTF-8 can mean, and other players show as a replacement character. So bytes come back as they were.
 *
 * On the server's disk an event of output has a fourth element, the number of the device's message (`resume.ts`), by which
 * a recording goes on after a restart. It is left out of what is handed out: not every player reads over it.
 */

export interface CastHeader {
  readonly version: 2;
  readonly width: number;
  readonly height: number;
  /** Seconds since the epoch. */
  readonly timestamp?: number;
  readonly title?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** `o`: output; `r`: a new size, as `80x24`. Others are read over. */
export interface CastEvent {
  /** Seconds since the start. */
  readonly time: number;
  readonly type: string;
  readonly data: string;
  readonly seq?: number;
}

/** The header of a recording's first line. Throws `invalid_cast`. */
export function castHeader(line: string): CastHeader {
  const value = parse(line) as Partial<CastHeader> | null;
  if (value?.version !== 2 || typeof value.width !== 'number' || typeof value.height !== 'number')
    throw new CodedError('invalid_cast', 'not a recording: its first line is no header of asciicast 2');
  return value as CastHeader;
}

/** The event of a line; undefined for one that was cut off, or is none. */
export function castEvent(line: string): CastEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const [time, type, data, seq] = value as unknown[];
  if (typeof time !== 'number' || typeof type !== 'string' || typeof data !== 'string') return undefined;
  return { time, type, data, ...(typeof seq === 'number' ? { seq } : {}) };
}

/** The columns and rows of an event `r`. */
export function castSize({ data }: CastEvent): { cols: number; rows: number } | undefined {
  const found = /^(\d{1,5})x(\d{1,5})$/.exec(data);
  return found ? { cols: Number(found[1]), rows: Number(found[2]) } : undefined;
}

const utf8 = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes that `castText` had. */
export function castBytes(text: string): Uint8Array {
  if (!/[\udc80-\udcff]/u.test(text)) return utf8.encode(text);
  const parts = text
    .split(/([\udc80-\udcff]+)/u)
    .map((part, odd) =>
      odd % 2 === 1 ? Uint8Array.from(part, (char) => char.charCodeAt(0) - 0xdc00) : utf8.encode(part),
    );
  return concat(parts);
}

/** Bytes as text that keeps every one of them, and what is left of a character that is not whole yet. */
export function castText(bytes: Uint8Array): { text: string; rest: Uint8Array } {
  const whole = bytes.length - partial(bytes);
  const rest = bytes.subarray(whole);
  const head = bytes.subarray(0, whole);
  try {
    return { text: strict.decode(head), rest };
  } catch {
    return { text: escaped(head), rest };
  }
}

/** Bytes at the end that begin a character and do not end it. */
function partial(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

function escaped(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at]!;
    const length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0;
    try {
      if (length === 0) throw new Error('no beginning');
      text += strict.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += String.fromCharCode(0xdc00 + byte);
      at++;
    }
  }
  return text;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
