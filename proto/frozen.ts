/** Closing code of a page that is left: the server gives it a short while to come back. */
export const frozenCode = 4001;

/** What a page keeps of a session that the next one is to go on with. */
export interface Frozen {
  readonly sid: string;
  /** Number of the last message that was taken. */
  readonly taken: number;
  /** Number of the first that is kept for the device, and all that are. */
  readonly first: number;
  readonly kept: readonly Uint8Array[];
  /** For how long the device keeps it, seconds. */
  readonly within: number;
}

/** As text, which is all that a page may leave behind. */
export function freeze(frozen: Frozen): string {
  return JSON.stringify({ ...frozen, kept: frozen.kept.map(textOf) });
}

export function thaw(text: string): Frozen {
  const frozen = JSON.parse(text) as Frozen & { kept: string[] };
  return { ...frozen, kept: frozen.kept.map(bytesOf) };
}

const textOf = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
const bytesOf = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
