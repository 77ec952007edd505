import { expect, it } from 'vitest';
import { Inbox } from './inbox.ts';

function filled(...items: readonly string[]): { inbox: Inbox<string>; congestion: boolean[] } {
  const congestion: boolean[] = [];
  const inbox = new Inbox<string>({ high: 10, low: 4, congested: (yes) => congestion.push(yes) });
  for (const item of items) inbox.push(item, item.length);
  return { inbox, congestion };
}
async function rest(inbox: Inbox<string>): Promise<string[]> {
  const taken: string[] = [];
  for await (const item of inbox) taken.push(item);
  return taken;
}

it('gives what came before the reader, and what comes to him, in order', async () => {
  const { inbox } = filled('a', 'b');
  const all = rest(inbox);
  await Promise.resolve();
  inbox.push('c', 1);
  inbox.finish();
  expect(await all).toEqual(['a', 'b', 'c']);
});

it('finishes after what is there, and ends without it', async () => {
  const one = filled('a', 'b').inbox;
  one.finish();
  one.push('late', 4);
  expect(await rest(one)).toEqual(['a', 'b']);
  const two = filled('a', 'b').inbox;
  two.end();
  expect(await rest(two)).toEqual([]);
});

it('says once that it is full, and once that it has room', async () => {
  const { inbox, congestion } = filled('123456', '123456', '123456');
  expect(congestion).toEqual([true]);
  inbox.finish();
  await rest(inbox);
  expect(congestion).toEqual([true, false]);
});

it('takes its congestion back when it is ended', () => {
  const { inbox, congestion } = filled('12345678901');
  inbox.end();
  expect(congestion).toEqual([true, false]);
});
