/** What sessions need of the link to the server. */
export interface Wire {
  readonly up: boolean;
  /** Up, and not full. */
  readonly ready: boolean;
  /** The server can pause one session, so the whole socket need not be. */
  readonly flow: boolean;
  send(frame: Uint8Array): boolean;
  pause(): void;
  resume(): void;
}
