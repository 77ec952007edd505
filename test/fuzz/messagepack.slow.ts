// Altered MessagePack on the session socket: decoded, or refused with a code.
import { expect, test } from 'vitest';
import { CodedError } from '#base/errors';
import { decode, encode, ProtoType } from '#proto';
import { mutateBytes } from './mutate.ts';
import { Random } from './random.ts';

const frames = [
  encode({ hdr: { proto: ProtoType.Shell, typ: 'shell', sid: 'a-session' }, body: Buffer.from('ls -l\n') }),
  encode({ hdr: { proto: ProtoType.Control, typ: 'open', props: { timeout: 10n, list: [1, 'x', null] } } }),
  encode({
    hdr: { proto: ProtoType.FileTransfer, typ: 'chunk', props: { offset: 1n << 40n } },
    body: new Uint8Array(300),
  }),
];

test('20 000 altered frames are decoded or refused', () => {
  const before = process.memoryUsage().rss;
  for (let seed = 1; seed <= 20_000; seed++) {
    const random = new Random(seed);
    const frame = mutateBytes(random, Buffer.from(random.pick(frames)));
    try {
      expect(decode(frame).hdr.proto, `seed ${seed}`).toBeTypeOf('number');
    } catch (error) {
      if (!(error instanceof CodedError)) throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
});
