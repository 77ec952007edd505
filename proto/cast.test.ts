import { expect, it } from 'vitest';
import { castBytes, castEvent, castHeader, castText } from './cast.ts';

it('any bytes come back from their text, cut anywhere', () => {
  const samples = [
    Buffer.from('plain\r\n\x1b[31mred'),
    Buffer.from('žluť 🐎 \u{feff}'),
    Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
    Buffer.from([0xf0, 0x9f, 0x90, 0xff, 0xc3, 0xa9, 0xed, 0xa0, 0x80, 0xe2, 0x82]),
  ];
  for (const bytes of samples)
    for (let size = 1; size <= 5; size++) {
      let rest: Uint8Array = new Uint8Array();
      const parts: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        const cut = castText(Buffer.concat([rest, bytes.subarray(at, at + size)]));
        rest = cut.rest;
        expect(rest.length).toBeLessThan(4);
        parts.push(castBytes(JSON.parse(JSON.stringify(cut.text)) as string));
      }
      expect(Buffer.concat([...parts, rest]).equals(bytes)).toBe(true);
    }
});

it('text that is UTF-8 is text for every player', () => {
  expect(castText(Buffer.from('ž 🐎')).text).toBe('ž 🐎');
});

it('a line that was cut off is no event, and a file that is no recording says so', () => {
  expect(castEvent('[1.5,"o","hel')).toBeUndefined();
  expect(castEvent('[1.5,"o","hello",7]')).toEqual({ time: 1.5, type: 'o', data: 'hello', seq: 7 });
  expect(() => castHeader('{"version":1}')).toThrow('not a recording');
});
