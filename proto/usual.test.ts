import { describe, expect, it } from 'vitest';
import { pack, unpack, type ProtoHeader } from '#proto';
import { readUsual, writeUsual } from './usual.ts';

const sid = '0b6d1c2e-9a51-4c6b-8f0e-2f6a7d1c0e55';
const body = (size: number): Uint8Array => new Uint8Array(size).map((_, at) => at * 7);
type Frame = [name: string, hdr: ProtoHeader, body?: Uint8Array];
const frames: Frame[] = [
  ['a key press', { proto: 1, typ: 'shell', sid, props: { user_id: sid }, seq: 7 }, body(1)],
  ['output', { proto: 1, typ: 'shell', sid, props: { status: 1n }, seq: 70_000 }, body(300)],
  ['a header alone', { proto: 0xffff, typ: 'close', sid }],
  ['the smallest', { proto: 0 }],
  [
    'counts of each width',
    { proto: 3, props: { a: 127, b: 128, c: 255, d: 256, e: 65_535, f: 65_536, g: 0xffff_ffff } },
  ],
  ['int64', { proto: 2, props: { offset: 0n, size: 0xffff_ffffn } }, body(1024)],
  ['truth', { proto: 2, props: { yes: true, no: false } }],
  ['texts of 31 and 32 characters', { proto: 2, typ: 'x'.repeat(31), sid: 'y'.repeat(32) }, body(255)],
  ['a body of 256 bytes', { proto: 2 }, body(256)],
];
const left: Frame[] = [
  ['more than ASCII', { proto: 2, typ: 'größe' }],
  ['a long text', { proto: 2, props: { path: 'p'.repeat(65) } }],
  ['a fraction', { proto: 2, props: { x: 1.5 } }],
  ['less than nothing', { proto: 2, props: { x: -1 } }],
  ['an int64 below zero', { proto: 2, props: { x: -1n } }],
  ['more than 32 bits', { proto: 2, props: { x: 2 ** 33, y: 2n ** 40n } }],
  ['a map within', { proto: 2, props: { x: { y: 1 } } }],
  [
    'sixteen properties',
    {
      proto: 2,
      props: Object.fromEntries(
        body(16)
          .entries()
          .map(([at, n]) => [`k${at}`, n]),
      ),
    },
  ],
  ['a large body', { proto: 2 }, body(1025)],
];
const packed = (hdr: ProtoHeader, bytes?: Uint8Array): Uint8Array => pack(bytes ? { hdr, body: bytes } : { hdr });

describe('the usual frame', () => {
  it.each(frames)('%s is written as the library writes it', (_, hdr, bytes?: Uint8Array) => {
    expect(writeUsual(hdr, bytes)).toEqual(packed(hdr, bytes));
  });

  it.each(frames)('%s is read as the library reads it', (_, hdr, content?: Uint8Array) => {
    const bytes = packed(hdr, content);
    expect(readUsual(bytes)).toEqual(unpack(bytes));
  });

  it.each(left)('%s is left to the library', (_, hdr, bytes?: Uint8Array) => {
    expect(writeUsual(hdr, bytes)).toBeUndefined();
  });

  it('an int64 with its sign is read', () => {
    for (const x of [-1n, -(2n ** 63n), 2n ** 40n])
      expect(readUsual(pack({ hdr: { proto: 2, props: { x } } }))).toEqual({ hdr: { proto: 2, props: { x } } });
  });

  it('a frame that is cut short or changed anywhere is read as the library reads it, or left to it', () => {
    for (const [, hdr, content] of frames) {
      const whole = packed(hdr, content);
      for (let at = 0; at < Math.min(whole.length, 160); at++) {
        compare(whole.subarray(0, at));
        for (const byte of [0, 0x7f, 0x80, 0xa1, 0xc0, 0xc4, 0xd3, 0xd9, 0xff]) {
          const changed = Uint8Array.from(whole);
          changed[at] = byte;
          compare(changed);
        }
      }
    }
  });
});

/** What is read here must be what the library says, but for what an envelope leaves out. */
function compare(bytes: Uint8Array): void {
  const read = readUsual(bytes);
  if (!read) return;
  const { hdr, body: theirs } = unpack(bytes) as { hdr: Record<string, unknown>; body?: Uint8Array };
  for (const [key, value] of Object.entries(hdr))
    if (value === '' || (key === 'props' && Object.keys(value as object).length === 0)) delete hdr[key];
  expect(read).toEqual(theirs?.length ? { hdr, body: theirs } : { hdr });
}
