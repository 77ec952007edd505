import type { Readable, Writable } from 'node:stream';
import type { Command } from 'commander';
import type { MessageOf, Protocol } from '#proto';
import type { Manifest } from './manifest.ts';
import type { OperatorSession } from './session.ts';
export type { OperatorSession } from './session.ts';

export interface NamedDevice {
  readonly id: string;
  /** What people call it; the id if it has no name. */
  readonly name: string;
}

/** Standard input as it may be: a keyboard has a raw mode. */
export type Keyboard = Readable & { isTTY?: boolean; setRawMode?(raw: boolean): unknown };
/** Standard output as it may be: a screen has a size and says when it changes (`resize`). */
export type Screen = Writable & { isTTY?: boolean; columns?: number; rows?: number };

export interface Column<T> {
  readonly head: string;
  readonly of: (row: T) => string;
  readonly right?: boolean;
  /** Paints a cell after it was padded, so that paint has no width. */
  readonly paint?: (cell: string, row: T) => string;
}
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/**
 * What the server tells of an add-on: something of a device has changed, or the link was made (`up`), after which anything
 * may have, or is lost (`down`) and is being made again, with the reason.
 */
export type Change = { readonly device: string } | { readonly link: 'up' } | { readonly link: 'down'; why: string };

/** What the operator's command lends the cli half of an add-on. All of it logs in by itself. */
export interface CliHost<M extends Manifest = Manifest> {
  readonly stdin: Keyboard;
  readonly stdout: Screen;
  readonly stderr: Writable;
  /** The person wants JSON, for a script. */
  readonly json: boolean;
  /** Aborts when the person or the system stops the program. */
  readonly signal: AbortSignal;
  /** The device of an id, a name or a unique prefix of either; throws a CodedError that says what to do. */
  resolveDevice(device: string): Promise<NamedDevice>;
  /** Each once, in the order given: devices by name, or the accepted ones of a group, or all that are accepted. */
  findDevices(wanted: { readonly names: readonly string[]; readonly group?: string }): Promise<NamedDevice[]>;
  /**
   * A session with the device half of this add-on; throws a CodedError (device offline, not permitted). `join`: the id of
   * somebody else's session, at which this is to be a guest.
   */
  openSession(deviceId: string, join?: string): Promise<OperatorSession<MessageOf<NonNullable<M['protocol']>>>>;
  /** One of another protocol, for a device that does not know this add-on's own. */
  openOther<P extends Protocol>(deviceId: string, protocol: P): Promise<OperatorSession<MessageOf<P>>>;
  /** An authenticated request; the path is below the server's root. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** What the server half tells of (`ServerHost.changed`), as it comes, until the program is stopped or the login is no longer taken. */
  changes(): AsyncIterable<Change>;
  /** A list: an aligned table, safe on a screen whatever is in it; with `--json` the rows as they are. `none` is said when it is empty. */
  list<T>(rows: readonly T[], columns: readonly Column<T>[], none: string): void;
  /** Paints text for the output, where a screen is and colour is wanted. */
  paint(style: Style, text: string): string;
  /** Text that is safe on a screen, one line, whatever a device put in it. */
  plain(text: string): string;
  /** What was done, for a person: a line on the error output. */
  note(line: string): void;
  /** The exit code of the program once the command's action is done; 0 if never called, 1 if the action throws. */
  exit(code: number): void;
}

/** Fills in a command that the manifest lists: its arguments, its options, its action. */
export type FillCommand<M extends Manifest = Manifest> = (command: Command, host: CliHost<M>) => void | Promise<void>;

/** Every command of the manifest, by name. */
export type CliHalf<M extends Manifest = Manifest> = {
  readonly [Name in keyof NonNullable<M['commands']>]: FillCommand<M>;
};

/** Default export of an add-on's `./cli`, which is loaded only when one of its commands is called. */
export const defineCli = <M extends Manifest>(_: M, half: CliHalf<M>): CliHalf<M> => half;
