// Sends each operation of a document right and wrong requests, and holds the answers against what the document says.
import type { Answer } from '../../server/stage.ts';
import type { Document, Operation, Schema } from './document.ts';
import { broken, fitting } from './values.ts';
import type { Request, World } from './world.ts';

export interface Report {
  operations: number;
  cases: number;
  /** Operations that never answered 2xx. */
  readonly never: string[];
  readonly faults: string[];
}

export interface Rules {
  /** Wrong bodies and parameters that one operation is sent at most. */
  readonly wrongs: number;
  /** A wrong body must be refused: the schemas are those that the server itself checks with. */
  readonly strict: boolean;
  /** Why an answer that the document does not have, or has otherwise, is right all the same; undefined: it is not. */
  excuse(operation: Operation, status: number): string | undefined;
}

/** Answers that every operation may give, whatever the document lists: `server-api.md` §0.2, §0.3. */
const general = new Set([400, 401, 403, 404, 405, 413, 415, 422, 429]);

export async function conform(document: Document, world: World, rules: Rules): Promise<Report> {
  const report: Report = { operations: 0, cases: 0, never: [], faults: [] };
  // Reading first: what a write uses up is made anew after it.
  const order = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
  const operations = document.operations.toSorted((a, b) => order.indexOf(a.method) - order.indexOf(b.method));
  for (const operation of operations) {
    report.operations++;
    let good = false;
    const check = (what: string, answer: Answer, wrong: boolean): void => {
      report.cases++;
      const went = answer.status >= 200 && answer.status < 300;
      good ||= went;
      if (went && operation.method !== 'GET') world.used(operation.path);
      const fault = faultOf(document, operation, answer, rules);
      if (fault) report.faults.push(`${operation.name} (${what}): ${fault}`);
      if (wrong && (answer.status < 400 || answer.status >= 500))
        report.faults.push(`${operation.name} (${what}): ${answer.status}, but the request is wrong`);
    };
    for (const [what, request] of await rights(document, operation, world))
      check(what, await world.send(request, operation.method), false);
    for (const { what, request, wrong } of await wrongs(document, operation, world, rules))
      check(what, await world.send(request, operation.method), wrong);
    if (!good) report.never.push(operation.name);
  }
  return report;
}

/** Requests that fit: as little as possible, all that there is, each parameter of the query. */
async function rights(document: Document, operation: Operation, world: World): Promise<[string, Request][]> {
  const usual = await world.request(operation, undefined);
  const requests: [string, Request][] = [['as it is meant', usual]];
  if (operation.body && usual.form === undefined && (await world.sample(operation)) === undefined) {
    requests.length = 0;
    requests.push(['by its schema', await world.request(operation, fitting(document, operation.body))]);
    if (!operation.bodyRequired) requests.push(['without a body', await world.request(operation, undefined)]);
  }
  const base = requests[0]![1];
  if (operation.method === 'GET')
    for (const { name, schema } of operation.parameters.filter((each) => each.in === 'query'))
      requests.push([`with ${name}`, withQuery(base, name, String([fitting(document, schema)].flat()[0]))]);
  return requests;
}

const odd = ['', '0', '-1', '501', '99999999999', 'x', '%00', '\'"><', 'null', 'desc', '\u00e9'.repeat(20)];

/** Requests that do not fit, and some that are merely odd. */
async function wrongs(document: Document, operation: Operation, world: World, rules: Rules) {
  const base = await world.request(operation, undefined);
  const list: { what: string; request: Request; wrong: boolean }[] = [];
  const special = base.token === undefined;
  if (!special && /^\/api\/(devices|management)\//.test(operation.path)) {
    const { token: _, ...anonymous } = base;
    list.push({ what: 'without a token', request: anonymous, wrong: true });
    list.push({ what: 'with a wrong token', request: { ...base, token: 'a.b.c' }, wrong: true });
  }
  const template = await world.path(operation.path);
  if (operation.path.includes('{') && !special)
    for (const odd of ['..%2f..', `%00${'a'.repeat(5000)}`])
      list.push({
        what: `with ${odd.slice(0, 9)} in the path`,
        request: { ...base, path: swapped(operation.path, template, odd) },
        wrong: false,
      });
  for (const [at, { name }] of operation.parameters.filter((each) => each.in === 'query').entries())
    for (const value of spread(odd, rules.wrongs > 100 ? odd.length : 2, at))
      list.push({ what: `with ${name}=${value.slice(0, 9)}`, request: withQuery(base, name, value), wrong: false });
  if (operation.body && !base.form) {
    const schema = operation.body;
    const fits = base.body ?? fitting(document, schema);
    for (const { how, value } of spread(broken(document, schema, fits), rules.wrongs, 0)) {
      const request = { ...(await world.request(operation, value)), body: value };
      list.push({ what: how, request: { ...request, path: base.path }, wrong: rules.strict });
    }
    const text = { ...base, body: undefined, headers: { ...base.headers, 'content-type': 'text/plain' } };
    list.push({ what: 'with another type', request: text, wrong: false });
  }
  return list;
}

/** Some of a list, from all over it. */
function spread<T>(all: readonly T[], most: number, from: number): T[] {
  if (all.length <= most) return [...all];
  const step = all.length / most;
  return Array.from({ length: most }, (_, i) => all[(Math.floor(i * step) + from) % all.length] as T);
}

function withQuery(request: Request, name: string, value: string): Request {
  const [path = '', search = ''] = request.path.split('?');
  const query = new URLSearchParams(search);
  query.set(name, value);
  return { ...request, path: `${path}?${query.toString()}` };
}

/** A path whose last parameter is another one. */
function swapped(template: string, path: string, value: string): string {
  const at = template.split('/').findLastIndex((part) => part.startsWith('{'));
  return path
    .split('/')
    .map((part, i) => (i === at ? value : part))
    .join('/');
}

const errorShape: Schema = {
  type: 'object',
  required: ['error', 'request_id'],
  properties: { error: { type: 'string', minLength: 1 }, request_id: { type: 'string', minLength: 1 } },
};

/** What of an answer is not as the document, or the conventions of all, say. */
function faultOf(document: Document, operation: Operation, answer: Answer, rules: Rules): string | undefined {
  const { status, headers, text, body } = answer;
  if (!headers.get('x-men-requestid')) return `${status} without X-MEN-RequestID`;
  if (/\bat .*:\d+:\d+/.test(text)) return `${status} with a stack: ${text.slice(0, 200)}`;
  const declared = operation.responses.get(String(status));
  if (!declared && !general.has(status)) {
    if (status >= 500 || rules.excuse(operation, status) === undefined)
      return `${status} is not among its answers: ${text.slice(0, 200)}`;
  }
  if (status >= 400) {
    const fault = document.fault(errorShape, body);
    return fault === undefined || rules.excuse(operation, status)
      ? undefined
      : `${status} is no error as all are: ${fault}`;
  }
  if (!declared) return undefined;
  for (const header of declared.headers)
    if (!headers.has(header) && rules.excuse(operation, status) === undefined) return `${status} without ${header}`;
  const [type = '', schema] = [...declared.content][0] ?? [];
  if (schema === undefined) return undefined;
  const sent = headers.get('content-type')?.split(';')[0] ?? '';
  if (sent !== type && rules.excuse(operation, status) === undefined) return `${status} as ${sent}, not ${type}`;
  const fault = document.fault(schema, type === 'application/json' ? body : text);
  return fault === undefined || rules.excuse(operation, status) ? undefined : `${status}: ${fault}`;
}
