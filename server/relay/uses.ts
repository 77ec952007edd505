import { unpack, type ProtoMsg } from '#proto';

/** What the audit log keeps of one message: its type, and what of its body its add-on names. */
export type SessionUse = Readonly<Record<string, unknown>> & { readonly typ: string };

/** Whose sessions speak a protocol, as far as the relay needs to know. */
export interface Speaker {
  readonly id: string;
  /** Type of message → keys of its body (`Manifest.audit`). */
  readonly audit?: Readonly<Record<string, readonly string[]>>;
}

/** Different uses that are kept of one session. */
const kept = 100;
/** Bytes of a body that is looked into, and characters of a value that are kept. */
const bodyLimit = 64 * 1024;
const textLimit = 1024;

/**
 * What one session was used for. Only the messages that an add-on names are looked into, which are requests and carry no
 * data; the same use is told once, or a page that asks a port a thousand times would fill the log.
 */
export class Uses {
  readonly #speaker: (protocol: number) => Speaker | undefined;
  readonly #known = new Set<string>();
  readonly list: SessionUse[] = [];

  constructor(speaker: (protocol: number) => Speaker | undefined) {
    this.#speaker = speaker;
  }

  /** What is new in this message; undefined: nothing. */
  of({ hdr, body }: ProtoMsg): SessionUse | undefined {
    const { typ } = hdr;
    if (typ === undefined) return undefined;
    const { audit } = this.#speaker(hdr.proto) ?? {};
    const keys = audit && Object.hasOwn(audit, typ) ? audit[typ] : undefined;
    if (!keys) return undefined;
    const use = { typ, ...pick(body, keys) };
    const text = JSON.stringify(use);
    if (this.#known.has(text)) return undefined;
    // Beyond the limit each is told: what is not remembered must not be left out.
    if (this.#known.size < kept) {
      this.#known.add(text);
      this.list.push(use);
    }
    return use;
  }
}

function pick(body: Uint8Array | undefined, keys: readonly string[]): Record<string, unknown> {
  if (!body) return {};
  if (body.length > bodyLimit) return { unread: `${body.length} bytes` };
  let content: unknown;
  try {
    content = unpack(body);
  } catch {
    return { unread: 'not understood' };
  }
  if (typeof content !== 'object' || content === null) return { unread: 'not understood' };
  const found: Record<string, unknown> = {};
  for (const key of keys) {
    const value = (content as Record<string, unknown>)[key];
    if (value !== undefined && value !== null) found[key] = plain(value);
  }
  return found;
}

/** As the log can hold it, and no longer than it should. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  const text = Array.isArray(value) ? value.map(String).join(' ') : String(value);
  return text.length > textLimit ? `${text.slice(0, textLimit)}…` : text;
}
