import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { devicePaths, type Attribute, type LogMessage } from '#proto/http/device';

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}
export interface Scripted {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A real HTTP server that says what the test wants. Emits `call` for each request once it is answered. */
export class ScriptedServer extends EventEmitter<{ call: [Call] }> {
  readonly calls: Call[] = [];
  /** Reports in their order. */
  readonly reports: string[] = [];
  readonly logs: LogMessage[][] = [];
  readonly inventories: Attribute[][] = [];
  /** Device is accepted. */
  accepted = true;
  token = 'token-1';
  /** Offered until a final report comes. */
  deployment: { id: string; artifact: Buffer; uri?: string } | undefined;
  /** Answers instead of the default, when it returns something. */
  override: ((call: Call) => Scripted | undefined) | undefined;
  /** Takes over a download; the default serves it with Range. */
  download: ((request: http.IncomingMessage, response: http.ServerResponse, artifact: Buffer) => void) | undefined;
  readonly http: http.Server;
  constructor() {
    super();
    this.http = http.createServer((request, response) => void this.#handle(request, response));
  }

  static async open(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    server.http.listen(0, '127.0.0.1');
    await once(server.http, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  close(): void {
    this.http.close();
    this.http.closeAllConnections();
  }

  /** Waits for a call that `wanted` likes, those in the past included unless `fresh`. */
  async called(wanted: (call: Call) => boolean, fresh = false): Promise<Call> {
    const past = fresh ? undefined : this.calls.find(wanted);
    if (past) return past;
    for (;;) {
      const [call] = (await once(this, 'call')) as [Call];
      if (wanted(call)) return call;
    }
  }

  /** Waits for the report that ends a deployment. */
  async ended(): Promise<string> {
    const final = () => this.reports.find((report) => report === 'success' || report === 'failure');
    while (!final()) await once(this, 'call');
    return final() ?? '';
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // the client went away, as a killed one does
    }
    const path = request.url ?? '';
    const call = {
      method: request.method ?? '',
      path,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    };
    this.calls.push(call);
    const scripted = this.override?.(call) ?? this.#answer(call);
    if (scripted) response.writeHead(scripted.status, scripted.headers).end(scripted.body);
    else if (this.download) this.download(request, response, this.deployment?.artifact ?? Buffer.alloc(0));
    else serveRange(request, response, this.deployment?.artifact ?? Buffer.alloc(0));
    this.emit('call', call);
  }

  #answer(call: Call): Scripted | undefined {
    const { path, headers, body } = call;
    if (path === '/artifact') return undefined;
    if (path === devicePaths.authRequest) return this.accepted ? { status: 200, body: this.token } : { status: 401 };
    if (headers.authorization !== `Bearer ${this.token}`) return { status: 401 };
    if (path.startsWith(devicePaths.nextV2) || path.startsWith(devicePaths.nextV1)) {
      const { deployment } = this;
      if (!deployment) return { status: 204 };
      const source = { uri: deployment.uri ?? `${this.url}/artifact` };
      return { status: 200, body: JSON.stringify({ id: deployment.id, artifact: { source } }) };
    }
    if (path === devicePaths.attributes) {
      this.inventories.push(JSON.parse(body) as Attribute[]);
      return { status: 200 };
    }
    if (path.endsWith('/status')) {
      const { status } = JSON.parse(body) as { status: string };
      this.reports.push(status);
      if (status === 'success' || status === 'failure') this.deployment = undefined;
      return { status: 204 };
    }
    if (path.endsWith('/log')) {
      this.logs.push((JSON.parse(body) as { messages: LogMessage[] }).messages);
      return { status: 204 };
    }
    return { status: 404 };
  }
}

export function serveRange(request: http.IncomingMessage, response: http.ServerResponse, artifact: Buffer): void {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (!range) {
    response.writeHead(200, { 'Content-Length': artifact.length }).end(artifact);
    return;
  }
  const [from, to] = [Number(range[1]), Number(range[2])];
  response
    .writeHead(206, { 'Content-Range': `bytes ${from}-${to}/${artifact.length}`, 'Content-Length': to - from + 1 })
    .end(artifact.subarray(from, to + 1));
}
