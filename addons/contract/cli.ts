import type { ReadStream, WriteStream } from 'node:tty';
import type { Command } from 'commander';
import type { MessageOf } from '#proto';
import type { Manifest } from './manifest.ts';
import type { OperatorSession } from './session.ts';
export type { OperatorSession } from './session.ts';

export interface NamedDevice {
  readonly id: string;
  /** What people call it; the id if it has no name. */
  readonly name: string;
}

/** What the operator's command lends the cli half of an add-on. All of it logs in by itself. */
export interface CliHost<M extends Manifest = Manifest> {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  readonly stderr: NodeJS.WritableStream;
  /** Aborts at SIGTERM, and at SIGINT unless the terminal is in raw mode. */
  readonly signal: AbortSignal;
  /** The device of an id, a name or a unique prefix of either; throws a CodedError that says what to do. */
  resolveDevice(device: string): Promise<NamedDevice>;
  /** A session with the device half of this add-on; throws a CodedError (device offline, not permitted). */
  openSession(deviceId: string): Promise<OperatorSession<MessageOf<NonNullable<M['protocol']>>>>;
  /** An authenticated request; the path is below the server's root. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** The exit code of the program once the command's action is done; 0 if never called, 1 if the action throws. */
  exit(code: number): void;
}

/** Adds commands to the program. Called for every run: import what is heavy inside the action. */
export type CliEntry<M extends Manifest = Manifest> = (program: Command, host: CliHost<M>) => void;

/** Default export of an add-on's `./cli`. */
export const defineCli = <M extends Manifest>(_: M, entry: CliEntry<M>): CliEntry<M> => entry;
