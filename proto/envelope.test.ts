import { describe, expect, it } from 'vitest';
import { decode, encode, pack, ProtoType, toFrame, control } from '#proto';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('the envelope writes what the reference implementation wrote (connect-protocol §2.4)', () => {
  it('a shell started', () => {
    const wire =
      '82a368647284a570726f746fcd0001a3747970a36e6577a3736964a461316232a570726f707381a673746174757301a4626f6479c40d5368656c6c2073746172746564';
    const { hdr, body } = decode(bytes(wire));
    expect(hdr).toEqual({ proto: 1, typ: 'new', sid: 'a1b2', props: { status: 1 } });
    expect(Buffer.from(body!).toString()).toBe('Shell started');
    expect(decode(encode({ hdr, body: body! })).hdr).toEqual(hdr);
  });

  it('A-2 leaves out an empty typ, sid, props and body', () => {
    expect(
      hex(encode({ hdr: { proto: ProtoType.Control, typ: 'close', sid: 'a1b2', props: {} }, body: new Uint8Array() })),
    ).toBe('81a368647283a570726f746fcdffffa3747970a5636c6f7365a3736964a461316232');
  });

  it('a handshake', () => {
    expect(hex(encode(toFrame(control, { typ: 'open', body: { versions: [1] } })))).toBe(
      '82a368647282a570726f746fcdffffa3747970a46f70656ea4626f6479c40c81a876657273696f6e739101',
    );
  });

  it.each([0n, 13n, 4096n, 2n ** 32n + 1n])('A-6 an offset of %s travels as int64', (offset) => {
    const wire = hex(encode({ hdr: { proto: 2, props: { offset } } }));
    expect(wire).toContain(`a66f6666736574d3${offset.toString(16).padStart(16, '0')}`);
    expect(decode(bytes(wire)).hdr.props).toEqual({ offset });
  });
});

describe('the envelope reads what clients send', () => {
  it.each(['01', 'cc01', 'cd0001', 'ce00000001', 'cf0000000000000001', 'd30000000000000001'])(
    'A-1 proto as %s',
    (proto) => {
      expect(decode(bytes(`81a368647281a570726f746f${proto}`)).hdr.proto).toBe(1);
    },
  );

  it('A-3 nil for typ, sid, props and body', () => {
    expect(decode(pack({ hdr: { proto: 1, typ: null, sid: null, props: null }, body: null }))).toEqual({
      hdr: { proto: 1 },
    });
  });

  it('A-4 a body as text is the same as bytes', () => {
    expect(decode(pack({ hdr: { proto: 1 }, body: 'ls\r' })).body).toEqual(new TextEncoder().encode('ls\r'));
  });

  it('an empty map as body, which the old UI sends with stop, is no body', () => {
    expect(decode(pack({ hdr: { proto: 1, typ: 'stop' }, body: {} }))).toEqual({ hdr: { proto: 1, typ: 'stop' } });
  });

  it('A-5 unknown keys and large maps are read over', () => {
    expect(decode(bytes('df00000002a568656c6c6f01a3686472de0001a570726f746f01'))).toEqual({ hdr: { proto: 1 } });
  });

  it.each([
    ['nothing', ''],
    ['no MessagePack', 'c1'],
    ['a fraction as proto', '81a368647281a570726f746fcb3ff8000000000000'],
    ['no header', '80'],
    ['a frame cut short', '82a368647284a570726f746fcd00'],
    ['a list as body', '82a368647281a570726f746f01a4626f647990'],
    ['a claim of 4 GiB of text', '81a368647282a570726f746f01a3747970dbffffffff'],
  ])('refuses %s', (_, wire) => {
    expect(() => decode(bytes(wire))).toThrow(expect.objectContaining({ code: 'invalid_frame' }));
  });
});

it('a large body travels as the library would write it', () => {
  for (const size of [1023, 1024, 65_535, 65_536, 70_000]) {
    const body = new Uint8Array(size).fill(7);
    const frame = encode({ hdr: { proto: 2, typ: 'file_chunk', props: { offset: 5n } }, body });
    expect(new Uint8Array(frame)).toEqual(pack({ hdr: { proto: 2, typ: 'file_chunk', props: { offset: 5n } }, body }));
    expect(new Uint8Array(decode(frame).body!)).toEqual(body);
  }
});
