import { expect, it } from 'vitest';
import { decode, encode, toFrame } from '#proto';
import { messageParser } from '#proto/validate';
import { shell } from './protocol.ts';

const parse = messageParser(shell);

it('A-8 a status and a time-out travel as int64, the one width that mender-cli reads, and are read in any', () => {
  const refused = encode(toFrame(shell, { typ: 'new', props: { status: 2 }, body: new Uint8Array() }));
  expect(Buffer.from(refused).toString('hex')).toContain('a6737461747573d30000000000000002');
  const ping = Buffer.from(encode(toFrame(shell, { typ: 'ping', props: { timeout: 65, status: 3 } })));
  expect(ping.toString('hex')).toContain('a774696d656f7574d30000000000000041');
  expect(ping.toString('hex')).toContain('a6737461747573d30000000000000003');
  for (const wire of [2, 2n]) {
    const frame = encode({ hdr: { proto: 1, typ: 'new', props: { status: wire } } });
    expect(parse(decode(frame))).toMatchObject({ typ: 'new', props: { status: 2 } });
  }
});
