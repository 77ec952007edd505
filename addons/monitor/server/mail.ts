import type { LogLine } from '../alert.ts';
import { type Item, linkTo, type Notice, restOf, subjectOf, timeText } from './notice.ts';

/** A notice as an e-mail. Whatever a device wrote is text in it, never markup. */
export function mailOf(notice: Notice, publicUrl: string | undefined): { subject: string; text: string; html: string } {
  const subject = subjectOf(notice);
  const [first] = notice.items;
  if (first && notice.alerts === 1) return { subject, ...single(first, publicUrl) };
  return { subject, ...several(notice, subject, publicUrl) };
}

function single(item: Item, publicUrl: string | undefined): { text: string; html: string } {
  const { subject } = item;
  const link = linkTo(publicUrl, item.device_id);
  const { description, lines_before = [], line_matching, lines_after = [] } = subject.details ?? {};
  const facts: [string, string][] = [
    ['Device', item.device_id],
    ...(item.group === undefined ? [] : ([['Group', item.group]] as [string, string][])),
    ['Time on device', timeText(item.timestamp)],
    ['Check', item.check],
    ['Subject', `${subject.name} (${subject.type})`],
    ['Status', subject.status],
    ['Before', item.before],
  ];
  const log: [boolean, LogLine][] = [
    ...lines_before.map((line): [boolean, LogLine] => [false, line]),
    ...(line_matching ? [[true, line_matching] as [boolean, LogLine]] : []),
    ...lines_after.map((line): [boolean, LogLine] => [false, line]),
  ];
  const text = [
    `${item.level}: ${item.name}`,
    '',
    ...facts.map(([label, value]) => `${label}: ${value}`),
    ...(description ? ['', description] : []),
    ...(log.length > 0 ? ['', ...log.map(([here, line]) => `${here ? '>' : ' '} ${lineText(line)}`)] : []),
    ...(link === undefined ? [] : ['', link]),
    '',
  ].join('\n');
  const html = page([
    heading(item.level, item.name),
    `<table>${facts.map(([label, value]) => row([`<b>${escaped(label)}</b>`, escaped(value)])).join('')}</table>`,
    ...(description ? [`<p style="white-space:pre-wrap">${escaped(description)}</p>`] : []),
    ...(log.length > 0
      ? [
          `<pre>${log
            .map(([here, line]) => (here ? `<mark>${escaped(lineText(line))}</mark>` : escaped(lineText(line))))
            .join('\n')}</pre>`,
        ]
      : []),
    ...(link === undefined ? [] : [`<p><a href="${escaped(link)}">Open the device</a></p>`]),
  ]);
  return { text, html };
}

function several(notice: Notice, subject: string, publicUrl: string | undefined): { text: string; html: string } {
  const { items, alerts, devices } = notice;
  const rest = restOf(notice);
  const more = rest > 0 ? `and ${rest} more that are not listed` : undefined;
  const summary = `${alerts} alerts on ${devices} ${devices === 1 ? 'device' : 'devices'}`;
  const text = [
    subject,
    '',
    `${summary}:`,
    '',
    ...items.flatMap((item) => [
      `${item.level}: ${item.name}`,
      `  Device: ${item.device_id}${item.group === undefined ? '' : ` in group: ${item.group}`}`,
      `  Time on device: ${timeText(item.timestamp)}`,
    ]),
    ...(more === undefined ? [] : ['', more]),
    ...(publicUrl === undefined ? [] : ['', publicUrl]),
    '',
  ].join('\n');
  const rows = items.map((item) => {
    const link = linkTo(publicUrl, item.device_id);
    const device = escaped(item.device_id);
    return row([
      escaped(item.level),
      escaped(item.name),
      link === undefined ? device : `<a href="${escaped(link)}">${device}</a>`,
      escaped(item.group ?? ''),
      escaped(timeText(item.timestamp)),
    ]);
  });
  const head = row(['Level', 'Alert', 'Device', 'Group', 'Time on device'].map((label) => `<b>${label}</b>`));
  const html = page([
    heading(notice.level, notice.name === '' ? summary : notice.name),
    `<p>${escaped(summary)}</p>`,
    `<table>${head}${rows.join('')}</table>`,
    ...(more === undefined ? [] : [`<p>${escaped(more)}</p>`]),
    ...(publicUrl === undefined ? [] : [`<p><a href="${escaped(publicUrl)}">Open Patchbay</a></p>`]),
  ]);
  return { text, html };
}

const lineText = ({ line_number, data }: LogLine): string =>
  `${line_number === undefined ? '' : `${line_number}: `}${data}`;

const page = (parts: readonly string[]): string =>
  `<!doctype html><html><body style="font-family:sans-serif;font-size:14px">${parts.join('')}</body></html>`;
const row = (cells: readonly string[]): string =>
  `<tr>${cells.map((cell) => `<td style="padding:2px 12px 2px 0;vertical-align:top">${cell}</td>`).join('')}</tr>`;
const heading = (level: string, name: string): string =>
  `<h2 style="color:${level === 'OK' ? '#2b8a3e' : level === 'CRITICAL' || level === 'CRITICAL_FLAPPING' ? '#c92a2a' : '#e67700'}">${escaped(level)}: ${escaped(name)}</h2>`;

const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0) ?? 0};`).replaceAll('\0', '\ufffd');
