/** Writes down what a terminal shows. Made by whoever keeps recordings (`server/recordings/`). */
export interface Recorder {
  /** Number of the last message that it has, of a recording that goes on. */
  readonly seq: number;
  /** Output of the device, message `seq` of it; 0: it numbers none. Throws what to say: it must end then. */
  output(bytes: Uint8Array, seq: number): void;
  resize(cols: number, rows: number): void;
  /** `over`: the session has ended; else it goes on with the next server. */
  close(over: boolean): void;
}
