import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';
import type { Style } from '#addon/cli';

/** Where a command reads and writes. Data goes to `out`; progress, questions and errors to `err`. */
export interface Io {
  readonly in: Readable & { isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly out: Writable & Screen;
  readonly err: Writable & Screen;
  /** Colour is wanted (`NO_COLOR` is not set); it is used only where a screen is. */
  readonly colour: boolean;
}

interface Screen {
  isTTY?: boolean;
  columns?: number;
}

/** Paints text for one of the outputs, or leaves it as it is where nobody would see the paint. */
export function painter(io: Io, screen: Screen): (style: Style, text: string) => string {
  if (!io.colour || !screen.isTTY) return (_, text) => text;
  return (style, text) => styleText(style, text, { validateStream: false });
}

// C0 and C1 controls, and the marks that turn the direction of writing: a device chooses its own host name and log, and
// must not get at the operator's screen with them.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** One line that is safe on a screen, whatever a device put in it. */
export const plain = (text: string): string => text.replace(controls, (found) => (found === '\t' ? ' ' : '�'));

/** As `plain`, for text of many lines. */
export const plainLines = (text: string): string =>
  text.replace(controls, (found) => (found === '\n' || found === '\t' ? found : found === '\r' ? '' : '�'));
