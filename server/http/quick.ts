import type { IncomingMessage, ServerResponse } from 'node:http';
import { parse as parseQuery } from 'node:querystring';
import { parser } from '#proto/validate';
import { authorize } from './guard.ts';
import { countIn, type Frame, requestIdOf } from './mount.ts';
import type { Asked, Route } from './route.ts';

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
    void ask(req, at < 0 ? '' : url.slice(at + 1)).then(
      (idle) => {
        if (!idle) return long(req, res);
        frame.meter.idle();
        nothing(req, res);
      },
      // It says the same on the long way, in words.
      () => long(req, res),
    );
  };
}

function nothing(req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(204, { 'X-MEN-RequestID': requestIdOf(req), 'X-Content-Type-Options': 'nosniff' }).end();
}

/** Asks a route whether it is idle. Throws what the long way is to tell the client. */
function askOf(
  { spec, idle }: Route,
  frame: Frame,
): ((req: IncomingMessage, search: string) => Promise<boolean>) | undefined {
  if (!idle || spec.audit || spec.path.includes('{')) return undefined;
  const query = spec.query && parser(spec.query, 'bad_request');
  const body = spec.body && parser(spec.body, 'bad_request');
  return async (req, search) => {
    if (body && !isShortJson(req)) return false;
    const caller = await authorize(spec, req, frame.verify);
    countIn(req, caller, frame.rates);
    const asked: Asked = {
      caller,
      query: query ? query({ ...parseQuery(search) }) : {},
      body: body ? body(await bodyOf(req)) : undefined,
    };
    return idle(asked);
  };
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
