import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { addressOf, hostOf, trustOf } from './proxies.ts';

const request = (peer: string, forwarded?: string, host?: string) =>
  ({
    socket: { remoteAddress: peer },
    headers: { host: 'inner', 'x-forwarded-for': forwarded, 'x-forwarded-host': host },
  }) as unknown as IncomingMessage;

describe('who called, behind proxies', () => {
  it.each([
    ['0', '10.0.0.1', '1.2.3.4', '10.0.0.1'],
    ['1', '10.0.0.1', '1.2.3.4', '1.2.3.4'],
    ['1', '10.0.0.1', '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['2', '10.0.0.1', '6.6.6.6, 1.2.3.4, 10.0.0.2', '1.2.3.4'],
    ['3', '10.0.0.1', '1.2.3.4', '1.2.3.4'],
    ['1', '10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.0/8', '10.9.9.9', '6.6.6.6, 1.2.3.4, 10.0.0.2', '1.2.3.4'],
    ['10.0.0.0/8', '::ffff:10.9.9.9', '1.2.3.4', '1.2.3.4'],
    ['10.0.0.0/8', '11.0.0.1', '1.2.3.4', '11.0.0.1'],
    ['loopback, fd00::/8', '::1', '1.2.3.4, fd00::7', '1.2.3.4'],
    ['192.0.2.7', '192.0.2.7', 'not an address', 'not an address'],
  ])('trusting %s, from %s forwarded for %s: %s', (proxies, peer, forwarded, address) => {
    expect(addressOf(request(peer, forwarded), trustOf(proxies))).toBe(address);
  });

  it('a host is taken from a trusted proxy only', () => {
    expect(hostOf(request('127.0.0.1', undefined, 'outer.example'), trustOf('loopback'))).toBe('outer.example');
    expect(hostOf(request('10.0.0.1', undefined, 'evil.example'), trustOf('loopback'))).toBe('inner');
    expect(hostOf(request('127.0.0.1'), trustOf('1'))).toBe('inner');
  });

  it.each(['17', '-1', 'x', '10.0.0.0/33', '10.0.0/8', 'fd00::/129', '10.0.0.0/8/8x,y'])('%s is refused', (text) => {
    expect(() => trustOf(text)).toThrow(/--trusted-proxies .*: a number of hops/);
  });
});
