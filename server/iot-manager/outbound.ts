import { lookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import { CodedError } from '#base/errors';
import { contains } from '../http/proxies.ts';

/** All that one delivery may take, ms (`server-api.md` §2.9). */
const deadline = 10_000;

/**
 * Addresses that are no place on the internet (IANA special-purpose registries), or stand for one that is not. A list a
 * family: in one for both, the IPv6 dress of IPv4 would hold all of IPv4.
 */
const reserved = { 4: new BlockList(), 6: new BlockList() };
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  reserved[4].addSubnet(network, bits, 'ipv4');
for (const [network, bits] of [
  ['::', 96], // unspecified, loopback, and IPv4 in its old dress
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96], // NAT64: an IPv4 address inside
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23], // Teredo among them
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4
  ['fc00::', 7],
  ['fe80::', 9], // link-local, and what was site-local
  ['ff00::', 8],
] as const)
  reserved[6].addSubnet(network, bits, 'ipv6');

/** Resolves a name to all its addresses. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

const resolveBySystem: Resolve = (name) =>
  new Promise((resolve, reject) =>
    lookup(name, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses))),
  );

/**
 * Requests to URLs that somebody gave us (CVE-2022-29556): never to a private or reserved address unless the
 * administrator allowed its network. A name is resolved once, and that very address is connected to; a redirect is an
 * answer like any other.
 */
export class Outbound implements AsyncDisposable {
  readonly #allowed: BlockList;
  readonly #agent: Agent;
  readonly #time: number;

  constructor(allowed: BlockList, resolve: Resolve = resolveBySystem, time = deadline) {
    this.#allowed = allowed;
    this.#time = time;
    const pinned: LookupFunction = (name, options, found) => {
      resolve(name).then(
        (addresses) => {
          const refused = addresses.find(({ address }) => !this.#mayReach(address));
          // One bad address among good ones is how a name is turned after it was looked at.
          if (refused) return found(forbidden(name, refused.address), '');
          const [first] = addresses;
          if (!first) return found(new CodedError('bad_request', `${name} has no address`), '');
          if (options.all) found(null, [...addresses]);
          else found(null, first.address, first.family);
        },
        (error: Error) => found(error, ''),
      );
    };
    this.#agent = new Agent({ connect: { lookup: pinned, timeout: time }, pipelining: 0, maxHeaderSize: 16_384 });
  }

  /** Throws `bad_request` for a URL that is none of the web's, or names a forbidden address outright. */
  check(text: string): URL {
    if (!URL.canParse(text)) throw new CodedError('bad_request', 'url: not a URL');
    const url = new URL(text);
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw new CodedError('bad_request', 'url: must begin with http:// or https://');
    if (url.username || url.password)
      throw new CodedError('bad_request', 'url: must not hold a user or password; use the secret');
    // The parser has brought every spelling of an address (octal, one number, mapped) into the usual one.
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(host) !== 0 && !this.#mayReach(host)) throw forbidden(host, host);
    return url;
  }

  /** Posts; the status of the answer. Throws in words when there is none. */
  async post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<number> {
    const { statusCode, body: answer } = await request(this.check(url), {
      method: 'POST',
      headers,
      body,
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(this.#time),
      headersTimeout: this.#time,
      bodyTimeout: this.#time,
    });
    // What it says is not read.
    answer.on('error', () => undefined).destroy();
    return statusCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  #mayReach(address: string): boolean {
    return contains(this.#allowed, address) || !contains(reserved[isIP(address) === 6 ? 6 : 4], address);
  }
}

const forbidden = (host: string, address: string): CodedError =>
  new CodedError(
    'bad_request',
    host === address
      ? `url: ${address} is a private or reserved address`
      : `url: ${host} is at ${address}, a private or reserved address`,
  );
