import type { AuditEntry } from '#proto/http/audit';

const columns: readonly (readonly [string, (entry: AuditEntry) => unknown])[] = [
  ['id', ({ id }) => id],
  ['time', ({ time }) => time],
  ['code', ({ code }) => code],
  ['action', ({ action }) => action],
  ['result', ({ result }) => result],
  ['actor_type', ({ actor }) => actor.type],
  ['actor_id', ({ actor }) => actor.id],
  ['actor_name', ({ actor }) => actor.name],
  ['object_type', ({ object }) => object.type],
  ['object_id', ({ object }) => object.id],
  ['object_name', ({ object }) => object.name],
  ['address', ({ address }) => address],
  ['user_agent', ({ user_agent }) => user_agent],
  ['request_id', ({ request_id }) => request_id],
  ['details', ({ details }) => details],
  ['before', ({ before }) => before],
  ['after', ({ after }) => after],
];

export const csvHead = `${columns.map(([name]) => name).join(',')}\r\n`;

/** An entry as a line of RFC 4180; structures as JSON. */
export const csvLine = (entry: AuditEntry): string => `${columns.map(([, of]) => cell(of(entry))).join(',')}\r\n`;

/**
 * A cell. A spreadsheet takes what begins with one of these for a formula, and runs it: a device chooses its own host
 * name. An apostrophe before it makes it text.
 */
function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe = /^\s*[=+\-@|%\uff0b\uff0d\uff1d\uff20]|^[\p{Cc}]/u.test(text) ? `'${text}` : text;
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
