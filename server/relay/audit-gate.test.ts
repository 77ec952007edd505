import { expect, it } from 'vitest';
import { pack, ProtoType, type ProtoMsg } from '#proto';
import { AuditGate } from './audit-gate.ts';

const message = (typ: string, proto: number = ProtoType.PortForward, body?: unknown): ProtoMsg => ({
  hdr: { proto, typ },
  ...(body === undefined ? {} : { body: pack(body) }),
});

/** A gate whose log answers when the test says so; `did` is all that happened, in its order. */
function stage() {
  const did: string[] = [];
  const answers: ((written: boolean) => void)[] = [];
  const gate = new AuditGate(undefined, {
    speaker: (proto) =>
      proto === ProtoType.PortForward ? { id: 'port-forward', audit: { new: ['remote_port'] } } : undefined,
    write: ({ hdr }, begins, use) => {
      did.push(`write ${hdr.typ}${begins ? ' begins' : ''}${use ? ` ${JSON.stringify(use)}` : ''}`);
      return new Promise((resolve) => answers.push(resolve));
    },
    hold: (yes) => did.push(yes ? 'hold' : 'go on'),
    relay: ({ hdr }) => did.push(`relay ${hdr.typ}`),
  });
  const answer = async (written: boolean): Promise<void> => {
    answers.shift()!(written);
    await new Promise(setImmediate);
  };
  return { gate, answer, happened: () => did.splice(0) };
}

it('lets nothing past a message that is not in the log yet, and keeps the order of what waits', async () => {
  const { gate, answer, happened } = stage();
  gate.pass(message('ping', ProtoType.Control));
  expect(happened()).toEqual(['relay ping']);
  expect(gate.kind).toBeUndefined();
  gate.pass(message('forward'));
  gate.pass(message('forward-2'));
  gate.pass(message('new', ProtoType.PortForward, { remote_port: 22 }));
  gate.pass(message('forward-3'));
  expect(happened()).toEqual(['hold', 'write forward begins']);
  expect(gate.kind).toBe('port-forward');
  await answer(true);
  // The one among them that an add-on wants in the log holds up those behind it again.
  const use = '{"typ":"new","remote_port":22}';
  expect(happened()).toEqual(['relay forward', 'relay forward-2', 'hold', `write new ${use}`]);
  gate.pass(message('forward-4'));
  await answer(true);
  expect(happened()).toEqual(['relay new', 'relay forward-3', 'relay forward-4', 'go on']);
  expect(gate.uses).toEqual([{ typ: 'new', remote_port: 22 }]);
  gate.pass(message('new', ProtoType.PortForward, { remote_port: 22 }));
  expect(happened()).toEqual(['relay new']);
});

it('stays shut when the log cannot be written', async () => {
  const { gate, answer, happened } = stage();
  gate.pass(message('new', 0x8000));
  gate.pass(message('shell', 0x8000));
  await answer(false);
  gate.pass(message('more', 0x8000));
  expect(happened()).toEqual(['hold', 'write new begins']);
  expect(gate.kind).toBe('other');
});
