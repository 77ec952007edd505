import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { siteLabel, siteOrigin } from './sites.ts';

const req = (headers: Record<string, string>): IncomingMessage =>
  ({ headers, socket: { remoteAddress: '127.0.0.1' } }) as unknown as IncomingMessage;
const origin = (host: string, config: { pagesDomain?: string; publicUrl?: string } = {}, more = {}) =>
  siteOrigin('x-80', req({ host, ...more }), {
    pagesDomain: config.pagesDomain,
    publicUrl: config.publicUrl,
    trust: (_, hop) => hop === 0,
  });

it('a name below the domain is a site, the domain and all else is not', () => {
  expect(siteLabel('x-80.localhost:8080')).toBe('x-80');
  expect(siteLabel('X-80.Devices.Example.com', 'devices.example.com')).toBe('x-80');
  for (const host of [undefined, 'localhost', 'example.com', 'a.b.localhost', 'xlocalhost', '127.0.0.1:80'])
    expect(siteLabel(host)).toBeUndefined();
});

it('its origin is where the caller finds it: below localhost on this machine, else below the domain for it', () => {
  expect(origin('localhost:8080')).toBe('http://x-80.localhost:8080');
  expect(origin('127.0.0.1:8080')).toBe('http://x-80.localhost:8080');
  expect(origin('192.168.1.5:8080')).toBeUndefined();
  expect(origin('p.example.com', { pagesDomain: 'd.example.com' })).toBe('http://x-80.d.example.com');
  const behind = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'p.example.com' };
  expect(origin('127.0.0.1', { pagesDomain: 'd.example.com' }, behind)).toBe('https://x-80.d.example.com');
  const known = { pagesDomain: 'd.example.com', publicUrl: 'https://p.example.com:8443/prefix' };
  expect(origin('whatever', known)).toBe('https://x-80.d.example.com:8443');
});
