import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { CodedError } from '#base/errors';

/** Whether the n-th address on a request's way (0: our peer) is a proxy of ours, whose word counts. */
export type Trust = (address: string, hop: number) => boolean;

/**
 * Reads `--trusted-proxies`: a number of hops, or a comma-separated list of addresses and networks (`10.0.0.0/8`,
 * `fd00::/8`, `loopback`). Throws `usage`.
 */
export function trustOf(text: string): Trust {
  if (/^\d{1,2}$/.test(text.trim())) {
    const hops = Number(text);
    if (hops > 16) throw unreadable(text);
    return (_, hop) => hop < hops;
  }
  const networks = networksOf('--trusted-proxies', text);
  return (address) => contains(networks, address);
}

/** A list of addresses and networks, from text. Throws `usage` naming the option. */
export function networksOf(option: string, text: string): BlockList {
  const list = new BlockList();
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    if (entry === 'loopback') {
      list.addSubnet('127.0.0.0', 8, 'ipv4');
      list.addAddress('::1', 'ipv6');
      continue;
    }
    const [address = '', bits] = entry.split('/', 2);
    const family = isIP(address);
    const longest = family === 6 ? 128 : 32;
    const length = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
    if (family === 0 || length < 0 || length > longest) throw unreadable(entry, option);
    list.addSubnet(address, length, family === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** An IPv4 address may come as `::ffff:…`. */
export function contains(networks: BlockList, address: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  return family !== 0 && networks.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

function unreadable(text: string, option = '--trusted-proxies'): CodedError {
  const wanted = option === '--trusted-proxies' ? 'a number of hops (0 to 16), or addresses' : 'addresses';
  return new CodedError('usage', `${option} ${text}: ${wanted} and networks such as 10.0.0.0/8 are wanted`);
}

const listOf = (header: string | string[] | undefined): string[] =>
  String(header ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** Who called: our peer, or whom trusted proxies name. As express finds it, for requests that do not go through it. */
export function addressOf(req: IncomingMessage, trust: Trust): string {
  const way = [req.socket.remoteAddress ?? '', ...listOf(req.headers['x-forwarded-for']).reverse()];
  const last = way.findIndex((address, hop) => hop === way.length - 1 || !trust(address, hop));
  return way[last] ?? '';
}

/** The host by which the caller reached us, behind a trusted proxy the one that it names. */
export function hostOf(req: IncomingMessage, trust: Trust): string | undefined {
  if (req.headers['x-forwarded-host'] === undefined) return req.headers.host;
  const named = listOf(req.headers['x-forwarded-host'])[0];
  return named !== undefined && trust(req.socket.remoteAddress ?? '', 0) ? named : req.headers.host;
}
