import { expect, it } from 'vitest';
import { parseSpec } from './spec.ts';

const read = (text: string) => {
  const { protocol, bind, local, host, remote } = parseSpec(text);
  return [protocol, bind, local, host, remote];
};

it('the forms of mender-cli and of ssh -L name the same ports', () => {
  expect(read('22')).toEqual(['tcp', undefined, 22, '127.0.0.1', 22]);
  expect(read('8080:80')).toEqual(['tcp', undefined, 8080, '127.0.0.1', 80]);
  expect(read('udp/5353:53')).toEqual(['udp', undefined, 5353, '127.0.0.1', 53]);
  expect(read('8080:10.0.0.5:80')).toEqual(['tcp', undefined, 8080, '10.0.0.5', 80]);
  expect(read('0.0.0.0:8080:printer:9100')).toEqual(['tcp', '0.0.0.0', 8080, 'printer', 9100]);
  expect(read('8080:[fe80::1]:80')).toEqual(['tcp', undefined, 8080, 'fe80::1', 80]);
  expect(read('[::1]:8080:[fe80::1]:80')).toEqual(['tcp', '::1', 8080, 'fe80::1', 80]);
  expect(read('0:80')).toEqual(['tcp', undefined, 0, '127.0.0.1', 80]);
});

it.each(['', 'x', '70000', '80:0', '1:2:3:4:5', 'sctp/80', '8080:[::1:80', 'a:b', '80:host:'])(
  "'%s' is told to be none",
  (text) => {
    expect(() => parseSpec(text)).toThrow(/is no port to forward: write/);
  },
);
