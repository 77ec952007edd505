import { expect, it } from 'vitest';
import { pack } from '#proto';
import { Uses } from './uses.ts';

const speaker = (protocol: number) =>
  protocol === 3
    ? { id: 'port-forward', audit: { new: ['protocol', 'remote_host', 'remote_port', 'args'] } }
    : undefined;
const message = (typ: string, body: unknown, proto = 3) => ({
  hdr: { proto, typ },
  ...(body === undefined ? {} : { body: body instanceof Uint8Array ? body : pack(body) }),
});

it('keeps what the add-on names of a message, once, and looks into no other', () => {
  const uses = new Uses(speaker);
  const asked = { protocol: 'tcp', remote_host: 'db', remote_port: 5432n, secret: 'x', args: ['-l', 'a b'] };
  const kept = { typ: 'new', protocol: 'tcp', remote_host: 'db', remote_port: 5432, args: '-l a b' };
  expect(uses.of(message('new', asked))).toEqual(kept);
  expect(uses.of(message('new', asked))).toBeUndefined();
  expect(uses.of(message('forward', Buffer.from('data')))).toBeUndefined();
  expect(uses.of(message('constructor', asked))).toBeUndefined();
  expect(uses.of(message('new', asked, 4))).toBeUndefined();
  expect(uses.list).toEqual([kept]);
});

it('says so of a body that it cannot read, and cuts what is long', () => {
  const uses = new Uses(speaker);
  expect(uses.of(message('new', Uint8Array.of(0xc1)))).toEqual({ typ: 'new', unread: 'not understood' });
  expect(uses.of(message('new', new Uint8Array(70_000)))).toEqual({ typ: 'new', unread: '70000 bytes' });
  expect(String(uses.of(message('new', { remote_host: 'x'.repeat(5000) }))?.['remote_host']).length).toBe(1025);
});

it('leaves nothing out when there are more than it remembers', () => {
  const uses = new Uses(speaker);
  const told = Array.from({ length: 300 }, (_, port) => uses.of(message('new', { remote_port: port })));
  expect(told.every((use) => use !== undefined)).toBe(true);
  expect(uses.list.length).toBe(100);
});
