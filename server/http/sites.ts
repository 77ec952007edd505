import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { ServerConfig } from '../config.ts';
import { hostOf } from './proxies.ts';

/** Browsers take every name below it to this machine, without asking anybody. */
const here = 'localhost';

/** The label of a host `LABEL.DOMAIN[:PORT]`; undefined: it is the server's own name, or nobody's. */
export function siteLabel(host: string | undefined, domain: string = here): string | undefined {
  const name = host?.replace(/:\d+$/, '').toLowerCase();
  if (!name?.endsWith(`.${domain}`)) return undefined;
  const label = name.slice(0, -domain.length - 1);
  return label.includes('.') ? undefined : label;
}

/** The origin of a label, for whoever reached the server as this request says; undefined: nobody would find it. */
export function siteOrigin(
  label: string,
  req: IncomingMessage,
  config: Pick<ServerConfig, 'pagesDomain' | 'publicUrl' | 'trust'>,
): string | undefined {
  const own = `${scheme(req, config.trust)}://${hostOf(req, config.trust) ?? ''}`;
  const base = config.publicUrl ?? own;
  if (!URL.canParse(base)) return undefined;
  const { protocol, hostname, port } = new URL(base);
  const domain = config.pagesDomain ?? (isHere(hostname) ? here : undefined);
  return domain && `${protocol}//${label}.${domain}${port ? `:${port}` : ''}`;
}

function scheme(req: IncomingMessage, trust: ServerConfig['trust']): string {
  const told = String(req.headers['x-forwarded-proto'] ?? '')
    .split(',')[0]
    ?.trim();
  if ((told === 'http' || told === 'https') && trust(req.socket.remoteAddress ?? '', 0)) return told;
  return (req.socket as TLSSocket).encrypted ? 'https' : 'http';
}

const isHere = (name: string): boolean =>
  name === here || name.endsWith(`.${here}`) || name.startsWith('127.') || name === '[::1]';
