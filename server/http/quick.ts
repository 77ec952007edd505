import type { IncomingMessage, ServerResponse } from 'node:http';
import { parse as parseQuery } from 'node:querystring';
import { parser } from '#proto/validate';
import { authorize } from './guard.ts';
import { countIn, type Frame, requestIdOf } from './mount.ts';
import type { Asked, Route } from './route.ts';

/** Longer queries are not worth the memory, characters. */
const longestKept = 512;
/** Larger bodies, and those of unknown length, are not worth a short cut. */
const bodyLimit = 16 * 1024;

type Listener = (req: IncomingMessage, res: ServerResponse) => void;

/**
 * The way round express for routes that are asked all the time and mostly have nothing to say: nine in ten of a server's
 * requests are polls, and express costs several times what a poll does. Token, permission and schema are checked as on
 * the long way; whatever is not "nothing", an error above all, is left to it.
 */
export function quickly(routes: readonly Route[], frame: Frame, long: Listener): Listener {
  const idlers = new Map<string, NonNullable<ReturnType<typeof askOf>>>(
    routes.flatMap((route) => {
      const ask = askOf(route, frame);
      return ask ? [[`${route.spec.method} ${route.spec.path}`, ask] as const] : [];
    }),
  );
  return (req, res) => {
    const url = req.url ?? '';
    const at = url.indexOf('?');
    const ask = idlers.get(`${req.method} ${at < 0 ? url : url.slice(0, at)}`);
    if (!ask) return long(req, res);
    const decide = (idle: boolean): void => {
      if (!idle) return long(req, res);
      frame.meter.idle();
      nothing(req, res);
    };
    const idle = ask(req, at < 0 ? '' : url.slice(at + 1));
    // On the long way it says the same, in words.
    if (typeof idle === 'boolean') decide(idle);
    else void idle.then(decide, () => long(req, res));
  };
}

function nothing(req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(204, { 'X-MEN-RequestID': requestIdOf(req), 'X-Content-Type-Options': 'nosniff' }).end();
}

/** Queries that are kept checked: devices of one kind with one release ask the same. */
const keptQueries = 1000;

/**
 * Asks a route whether it is idle: at once, where the token is known and the query was asked before. Rejects with what the
 * long way is to tell the client.
 */
function askOf(
  { spec, idle }: Route,
  frame: Frame,
): ((req: IncomingMessage, search: string) => boolean | Promise<boolean>) | undefined {
  if (!idle || spec.audit || spec.path.includes('{')) return undefined;
  const query = spec.query && parser(spec.query, 'bad_request');
  const body = spec.body && parser(spec.body, 'bad_request');
  const queries = new Map<string, Asked['query']>();
  const queryOf = (search: string): Asked['query'] => {
    const known = queries.get(search);
    if (known) return known;
    const made = query ? Object.freeze(query({ ...parseQuery(search) })) : {};
    if (queries.size >= keptQueries) queries.clear();
    // A slice would keep the whole of the request's line.
    if (search.length <= longestKept) queries.set(Buffer.from(search).toString(), made);
    return made;
  };
  const slowly = async (req: IncomingMessage, search: string): Promise<boolean> => {
    if (body && !isShortJson(req)) return false;
    const caller = await authorize(spec, req, frame.verify);
    countIn(req, caller, frame.rates);
    const asked: Asked = {
      caller,
      query: queryOf(search),
      body: body ? body(await bodyOf(req)) : undefined,
    };
    return idle(asked);
  };
  if (body || spec.access !== 'device') return slowly;
  return (req, search) => {
    const known = queries.get(search);
    const caller = known && knownDevice(req, frame);
    if (!caller) return slowly(req, search);
    try {
      countIn(req, caller, frame.rates);
      return idle({ caller, query: known, body: undefined });
    } catch {
      return false;
    }
  };
}

/** The device of a request, if its token need not be looked at again. */
function knownDevice({ headers }: IncomingMessage, { verify }: Frame) {
  const { authorization } = headers;
  return authorization?.startsWith('Bearer ') ? verify.knownDevice?.(authorization.slice(7)) : undefined;
}

function isShortJson({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  const plain =
    headers['content-encoding'] === undefined && /^application\/json *(;|$)/i.test(headers['content-type'] ?? '');
  return plain && length !== undefined && Number(length) <= bodyLimit;
}

/** Reads the body and leaves it where express would: the long way finds it there. */
async function bodyOf(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  const raw = Buffer.concat(chunks);
  Object.assign(req, { raw });
  const body: unknown = JSON.parse(raw.toString());
  Object.assign(req, { body });
  return body;
}
