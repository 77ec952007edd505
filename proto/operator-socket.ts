import type { CodedError } from '#base/errors';

/** One socket to the server, as both a browser and Node can give it. */
export interface OperatorSocket {
  /** Bytes that wait for the network. */
  readonly buffered: number;
  send(frame: Uint8Array): void;
  close(code: number): void;
  /** Reads no more until told otherwise; a browser cannot. */
  pause?(yes: boolean): void;
}

/** What the owner of a socket tells its session. */
export interface SocketEvents {
  /** It is open; `resumes`: the server will say `session`. */
  opened(socket: OperatorSocket, resumes: boolean): void;
  message(data: Uint8Array): void;
  /** There is room again, or may be. */
  written(): void;
  /** After it was open; `code`: that of the WebSocket. */
  closed(code: number, why: CodedError): void;
}

/**
 * Opens the socket of a session; `sid`: of one that is to go on. Resolves when it is open; rejects with a CodedError,
 * whose code is `connection` if trying again may help.
 */
export type Dial = (sid: string | undefined, events: SocketEvents) => Promise<void>;
