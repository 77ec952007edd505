import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { pipeline, type Duplex } from 'node:stream';
import type { Sites } from '#addon/server';
import { CodedError, messageOf } from '#base/errors';
import { targetOf, type Pass, type Passes } from './passes.ts';
import type { Tunnel } from './tunnel.ts';

/** Where a ticket is turned into a pass. */
export const enterPath = '/.patchbay/enter';

/** Hop by hop, or ours: not for the device. */
const notForward = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'cookie',
  'origin',
  'referer',
]);
/** Hop by hop, or words for a whole host, which is the server's and not the device's to speak for. */
const notBack = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'strict-transport-security',
  'public-key-pins',
  'alt-svc',
  'set-cookie',
  'location',
]);
const ownCookies = /^(__Host-)?patchbay-page$/;
/** The login of the server's own pages: never a device's to see, though no browser would send it here. */
const serverCookie = 'JWT';

/**
 * A device's web page under an origin of its own, `DEVICE-PORT.DOMAIN`: it can neither read the server's pages nor those
 * of another device. Whoever asks shows the pass that his ticket gave him; the device gets neither of them.
 */
export function site(passes: Passes, tunnelOf: (pass: Pass) => Tunnel): Sites {
  return {
    request(label, req, res) {
      if (!targetOf(label)) return false;
      void answer(label, req, res).catch((error: unknown) => fail(res, error));
      return true;
    },
    upgrade(label, req, socket, head) {
      if (!targetOf(label)) return false;
      socket.on('error', () => socket.destroy());
      void join(label, req, socket, head).catch((error: unknown) => refuse(socket, error));
      return true;
    },
  };

  async function answer(label: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', 'http://page');
    if (url.pathname === enterPath) return enter(label, url, req, res);
    const pass = admit(label, req);
    const upstream = ask({ ...(await toDevice(pass, req)), headers: forwarded(req, pass) });
    const cut = (): void => void upstream.destroy(new CodedError('ended', 'your login has ended'));
    pass.signal.addEventListener('abort', cut);
    res.once('close', () => {
      pass.signal.removeEventListener('abort', cut);
      upstream.destroy();
    });
    upstream.once('error', (error) => fail(res, error));
    upstream.once('response', (response) => {
      res.writeHead(response.statusCode ?? 502, response.statusMessage, returned(response, pass, req));
      pipeline(response, res, () => undefined);
    });
    pipeline(req, upstream, () => undefined);
  }

  async function join(label: string, req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const pass = admit(label, req);
    const headers = { ...forwarded(req, pass), Connection: 'Upgrade', Upgrade: req.headers.upgrade ?? '' };
    const upstream = ask({ ...(await toDevice(pass, req)), headers });
    const cut = (): void => void upstream.destroy(new CodedError('ended', 'your login has ended'));
    pass.signal.addEventListener('abort', cut);
    socket.once('close', () => {
      pass.signal.removeEventListener('abort', cut);
      upstream.destroy();
    });
    upstream.once('error', (error) => refuse(socket, error));
    upstream.once('response', (response) => {
      socket.write(headOf(response, [...returned(response, pass, req), 'Connection', 'close']));
      pipeline(response, socket, () => undefined);
    });
    upstream.once('upgrade', (response, far: Duplex, early: Buffer) => {
      pass.signal.addEventListener('abort', () => far.destroy());
      const also = ['Connection', 'Upgrade', 'Upgrade', response.headers.upgrade ?? ''];
      socket.write(headOf(response, [...returned(response, pass, req), ...also]));
      if (head.length > 0) far.write(head);
      if (early.length > 0) socket.write(early);
      pipeline(socket, far, socket, () => undefined);
    });
    upstream.end();
  }

  function enter(label: string, url: URL, req: IncomingMessage, res: ServerResponse): void {
    const secret = passes.enter(url.searchParams.get('ticket') ?? '', label);
    if (secret === undefined)
      throw new CodedError(
        'unauthorized',
        'this link was used already or is too old: open the page from Patchbay again',
      );
    const to = url.searchParams.get('to') ?? '/';
    const [name, more] = isSecure(req) ? ['__Host-patchbay-page', '; Secure'] : ['patchbay-page', ''];
    res.writeHead(303, {
      Location: /^\/(?![/\\])/.test(to) ? to : '/',
      'Set-Cookie': `${name}=${secret}; Path=/; HttpOnly; SameSite=Lax${more}`,
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
    });
    res.end();
  }

  function admit(label: string, req: IncomingMessage): Pass {
    const secret = cookiesOf(req).find(([name]) => ownCookies.test(name))?.[1];
    const pass = secret === undefined ? undefined : passes.of(secret, label);
    if (!pass)
      throw new CodedError(
        'unauthorized',
        'you have no access to this page now: open it from the page of its device in Patchbay',
      );
    // Pages of other devices are neighbours: for a browser the same site, for us strangers.
    if (isForeign(req)) throw new CodedError('forbidden', 'a page of another origin may not use this one');
    return pass;
  }

  async function toDevice(pass: Pass, req: IncomingMessage) {
    const stream = await tunnelOf(pass).connect(pass.port, pass.tls);
    return { method: req.method ?? 'GET', path: req.url ?? '/', setHost: false, createConnection: () => stream };
  }
}

const originAtDevice = ({ port, tls }: Pass): string => `${tls ? 'https' : 'http'}://${authority(port, tls)}`;
const authority = (port: number, tls: boolean): string =>
  port === (tls ? 443 : 80) ? 'localhost' : `localhost:${port}`;

/** What the device is told: its own name and origin in place of ours, and its own cookies only. */
function forwarded(req: IncomingMessage, pass: Pass): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { Host: authority(pass.port, pass.tls) };
  const dropped = new Set([...notForward, ...listed(req.headers.connection)]);
  for (const [name, value] of Object.entries(req.headers))
    if (value !== undefined && !dropped.has(name)) headers[name] = value;
  const cookies = cookiesOf(req).filter(([name]) => !ownCookies.test(name) && name !== serverCookie);
  if (cookies.length > 0) headers['Cookie'] = cookies.map(([name, value]) => `${name}=${value}`).join('; ');
  if (req.headers.origin !== undefined) headers['Origin'] = originAtDevice(pass);
  const { referer } = req.headers;
  if (referer !== undefined && URL.canParse(referer)) {
    const { pathname, search } = new URL(referer);
    headers['Referer'] = `${originAtDevice(pass)}${pathname}${search}`;
  }
  return headers;
}

/** The device's headers as pairs for the browser: its cookies for this origin only, its own address turned into ours. */
function returned(response: IncomingMessage, pass: Pass, req: IncomingMessage): string[] {
  const pairs: string[] = [];
  const dropped = new Set([...notBack, ...listed(response.headers.connection)]);
  for (let at = 0; at < response.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = response.rawHeaders.slice(at, at + 2);
    if (!dropped.has(name.toLowerCase())) pairs.push(name, value);
  }
  for (const cookie of response.headers['set-cookie'] ?? []) {
    if (ownCookies.test(cookie.split('=', 1)[0]?.trim() ?? '')) continue;
    const own = cookie.split(';').filter((part, at) => at === 0 || !/^\s*domain\s*=/i.test(part));
    pairs.push('Set-Cookie', own.join(';'));
  }
  const { location } = response.headers;
  if (location !== undefined) pairs.push('Location', homeward(location, pass, req));
  return pairs;
}

/** A redirect to the device's own address, by whatever name it knows itself, is one to this origin. */
function homeward(location: string, pass: Pass, req: IncomingMessage): string {
  if (!URL.canParse(location)) return location;
  const to = new URL(location);
  const port = Number(to.port || (to.protocol === 'https:' ? 443 : 80));
  const own = new Set(['localhost', '127.0.0.1', '[::1]', (req.headers.host ?? '').replace(/:\d+$/, '')]);
  return own.has(to.hostname) && port === pass.port ? `${to.pathname}${to.search}${to.hash}` : location;
}

/** Asked by a script, a form or a picture of another page; to follow a link from there is nobody's harm. */
function isForeign(req: IncomingMessage): boolean {
  const { origin } = req.headers;
  const from = req.headers['sec-fetch-site'];
  const follows = req.headers['sec-fetch-mode'] === 'navigate' && req.method === 'GET';
  if ((from === 'same-site' || from === 'cross-site') && !follows) return true;
  if (origin === undefined) return false;
  const host = req.headers['x-forwarded-host'] ?? req.headers.host;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

function cookiesOf(req: IncomingMessage): [string, string][] {
  return (req.headers.cookie ?? '').split(';').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=');
    return at > 0 ? [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()]] : [];
  });
}

const listed = (header: string | undefined): string[] =>
  (header ?? '').split(',').map((name) => name.trim().toLowerCase());

const isSecure = (req: IncomingMessage): boolean =>
  (req.socket as TLSSocket).encrypted || req.headers['x-forwarded-proto'] === 'https';

const statuses: Readonly<Record<string, number>> = { unauthorized: 401, forbidden: 403 };

function fail(res: ServerResponse, error: unknown): void {
  if (res.headersSent || res.destroyed) return void res.destroy();
  const status = statusOf(error);
  res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
  res.end(`${messageOf(error)}\n`);
}

function refuse(socket: Duplex, error: unknown): void {
  if (socket.destroyed) return;
  const text = `${messageOf(error)}\n`;
  const length = Buffer.byteLength(text);
  socket.end(`HTTP/1.1 ${statusOf(error)} refused\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n${text}`);
}

const statusOf = (error: unknown): number => statuses[(error as { code?: string }).code ?? ''] ?? 502;

function headOf(response: IncomingMessage, pairs: readonly string[]): string {
  let head = `HTTP/1.1 ${response.statusCode ?? 502} ${response.statusMessage ?? ''}\r\n`;
  for (let at = 0; at < pairs.length; at += 2) head += `${pairs[at]}: ${pairs[at + 1]}\r\n`;
  return `${head}\r\n`;
}
