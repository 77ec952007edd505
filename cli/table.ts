import type { Column } from '#addon/cli';
import { plain } from './io.ts';

export type { Column } from '#addon/cli';

/**
 * Aligned columns. On a screen (`width`) the widest column gives way, cut with `…`; without one nothing is cut, so that
 * a pipe gets everything.
 */
export function table<T>(columns: readonly Column<T>[], rows: readonly T[], width?: number): string {
  const cells = rows.map((row) => columns.map((column) => plain(column.of(row))));
  const widths = columns.map((column, c) => Math.max(length(column.head), ...cells.map((row) => length(row[c] ?? ''))));
  if (width) shrink(widths, width);
  const line = (texts: readonly string[], row?: T) =>
    columns
      .map((column, c) => {
        const last = c === columns.length - 1 && !column.right;
        const cell = fit(texts[c] ?? '', widths[c] ?? 0, column.right ?? false, last);
        return row !== undefined && column.paint ? column.paint(cell, row) : cell;
      })
      .join('  ')
      .trimEnd();
  const heads = line(columns.map((column) => column.head));
  return [heads, ...cells.map((texts, r) => line(texts, rows[r]))].join('\n') + '\n';
}

const graphemes = new Intl.Segmenter();
const charactersOf = (text: string) => Array.from(graphemes.segment(text), ({ segment }) => segment);
const length = (text: string) => charactersOf(text).length;

function shrink(widths: number[], width: number): void {
  const gaps = 2 * (widths.length - 1);
  for (let over = widths.reduce((sum, w) => sum + w, gaps) - width; over > 0;) {
    const widest = widths.indexOf(Math.max(...widths));
    const now = widths[widest] ?? 0;
    if (now <= 12) return;
    const cut = Math.min(over, now - 12);
    widths[widest] = now - cut;
    over -= cut;
  }
}

function fit(text: string, width: number, right: boolean, last: boolean): string {
  const characters = charactersOf(text);
  if (characters.length > width) return characters.slice(0, width - 1).join('') + '…';
  const fill = ' '.repeat(width - characters.length);
  return right ? fill + text : last ? text : text + fill;
}
