import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StaleAnswers } from './stale.ts';

describe('an answer that an event has made stale', () => {
  let client: QueryClient;
  let stale: StaleAnswers;
  let asked: { readonly answer: (text: string) => void; readonly fail: () => void }[];
  let watch: () => string | undefined;

  beforeEach(() => {
    client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
    stale = new StaleAnswers(client);
    asked = [];
    const observer = new QueryObserver<string>(client, {
      queryKey: ['list', 1],
      queryFn: () =>
        new Promise((answer, fail) => {
          asked.push({ answer, fail: () => fail(new Error('no link')) });
        }),
    });
    observer.subscribe(() => undefined);
    watch = () => observer.getCurrentResult().data;
  });

  afterEach(() => {
    stale.close();
    client.clear();
  });

  const times = (number: number) => vi.waitFor(() => expect(asked).toHaveLength(number), { interval: 5 });
  const shows = (text: string) => vi.waitFor(() => expect(watch()).toBe(text), { interval: 5 });

  it('is asked for again, once for a burst of events', async () => {
    asked[0]?.answer('old');
    await shows('old');
    for (let n = 0; n < 20; n++) stale.add(['list']);
    await times(2);
    asked[1]?.answer('new');
    await shows('new');
    expect(asked).toHaveLength(2);
  });

  it('is asked for once more when it was under way for the first time, and the event is not lost', async () => {
    stale.add(['list']);
    await untilGathered();
    asked[0]?.answer('old');
    await times(2);
    expect(watch()).toBe('old');
    asked[1]?.answer('new');
    await shows('new');
    await untilGathered();
    expect(asked).toHaveLength(2);
  });

  it('is let come in however fast the events are, so that something is shown', async () => {
    asked[0]?.answer('first');
    await shows('first');
    stale.add(['list']);
    await times(2);
    for (let n = 0; n < 3; n++) {
      stale.add(['list']);
      await untilGathered();
    }
    expect(asked).toHaveLength(2);
    asked[1]?.answer('second');
    await shows('second');
    await times(3);
  });

  it('is asked for once more when what was under way has failed', async () => {
    stale.add(['list']);
    await untilGathered();
    asked[0]?.fail();
    await times(2);
    asked[1]?.answer('new');
    await shows('new');
  });

  /** Until a burst that began now, and each that began before it, has been gathered. */
  async function untilGathered(): Promise<void> {
    const probe = vi.fn<() => string>(() => 'x');
    const key = ['probe', Math.random()];
    const end = new QueryObserver(client, { queryKey: key, queryFn: probe }).subscribe(() => undefined);
    await vi.waitFor(() => expect(client.getQueryData(key)).toBe('x'), { interval: 5 });
    stale.add(key);
    await vi.waitFor(() => expect(probe).toHaveBeenCalledTimes(2), { interval: 5 });
    end();
  }
});
