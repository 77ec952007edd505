// For the tests of this room: a command line run in this process against a small real HTTP server.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { run } from './program.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
export interface Reply {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly text?: string;
}
type Answer = Reply | ((asked: Asked, response: ServerResponse) => Reply | Promise<Reply>);

/** Answers what `routes` say (`GET /api/…` without the query), 404 else; `asked` is every request, in order. */
export async function serve(routes: Record<string, Answer>) {
  const asked: Asked[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://server.invalid');
    const body = (await buffer(request)).toString('latin1');
    const one = { method: request.method ?? '', path: url.pathname, query: url.searchParams, headers: request.headers };
    asked.push({ ...one, body });
    const route = routes[`${one.method} ${one.path}`] ?? {
      status: 404,
      json: { error: 'not found', request_id: 'r-1' },
    };
    const reply = typeof route === 'function' ? await route({ ...one, body }, response) : route;
    response.writeHead(reply.status ?? 200, reply.headers);
    response.end(reply.text ?? (reply.json === undefined ? '' : JSON.stringify(reply.json)));
  };
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A person's folder of logins and command line. */
export async function person() {
  const configFolder = await mkdtemp(join(tmpdir(), 'patchbay-cli-'));
  return {
    configFolder,
    async call(
      args: string[],
      {
        input = '',
        signal = new AbortController().signal,
        ...env
      }: { input?: string; signal?: AbortSignal; server?: string; token?: string } = {},
    ) {
      const io = { in: new PassThrough(), out: new PassThrough(), err: new PassThrough(), colour: true };
      io.in.end(input);
      const outputs = Promise.all([buffer(io.out), buffer(io.err)]);
      const code = await run(args, io, { configFolder, inherited: {}, ...env }, signal);
      io.out.end();
      io.err.end();
      const [out, err] = (await outputs).map(String);
      return { code, out: out ?? '', err: err ?? '' };
    },
    [Symbol.asyncDispose]: () => rm(configFolder, { recursive: true }),
  };
}
