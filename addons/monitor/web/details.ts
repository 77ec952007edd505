import { el, moment } from '#addon/web/dom';
import type { LogLine } from '../alert.ts';
import type { Kept } from '../answers.ts';
import { seen } from './signs.ts';

/** All that a device says of an alert; text of devices is never anything but text. */
export function details({ subject, timestamp, check, id }: Kept): HTMLElement {
  const { description, lines_before: before, line_matching: match, lines_after: after } = subject.details ?? {};
  const facts: (readonly [string, Node | string])[] = [
    ['Subject', `${subject.type} ${subject.name}: ${subject.status}`],
    ['Time on device', moment(timestamp)],
    ...(check === undefined ? [] : ([['Check', check]] as const)),
    ['Id', id],
  ];
  return el(
    'div',
    { className: 'details-of' },
    description ? el('p', { className: 'description' }, seen(description)) : undefined,
    match && log(before ?? [], match, after ?? []),
    el(
      'dl',
      {},
      ...facts.flatMap(([name, value]) => [
        el('dt', {}, name),
        el('dd', {}, typeof value === 'string' ? seen(value) : value),
      ]),
    ),
  );
}

function log(before: readonly LogLine[], match: LogLine, after: readonly LogLine[]): HTMLElement {
  const row = ({ line_number: number, data }: LogLine, matching: boolean): HTMLElement =>
    el(
      'div',
      { className: matching ? 'matching' : '' },
      el('span', { className: 'number' }, number === undefined ? '' : String(number)),
      matching ? el('mark', {}, seen(data)) : el('span', {}, seen(data)),
    );
  const lines = el(
    'div',
    { className: 'lines', tabIndex: 0, role: 'region', ariaLabel: 'Log lines around the match' },
    ...before.map((one) => row(one, false)),
    row(match, true),
    ...after.map((one) => row(one, false)),
  );
  return lines;
}
