import { describe, expect, it } from 'vitest';
import { Activity } from './activity.ts';

describe('who is idle', () => {
  const counting = (answer: boolean) => {
    const asked: string[] = [];
    return { asked, look: async (id: string) => asked.push(id) > 0 && answer };
  };

  it('is looked up once, and again after a change', async () => {
    const activity = new Activity({ alone: true });
    const { asked, look } = counting(true);
    for (let at = 0; at < 3; at++) expect(await activity.isIdle('d1', look)).toBe(true);
    expect(asked).toEqual(['d1']);
    activity.changed();
    await activity.isIdle('d1', look);
    expect(asked.length).toBe(2);
  });

  it('is looked up each time while there is something to do, or where others write too', async () => {
    const busy = counting(false);
    const activity = new Activity({ alone: true });
    for (let at = 0; at < 2; at++) expect(await activity.isIdle('d1', busy.look)).toBe(false);
    expect(busy.asked.length).toBe(2);
    const many = counting(true);
    const shared = new Activity({ alone: false });
    for (let at = 0; at < 2; at++) expect(await shared.isIdle('d1', many.look)).toBe(true);
    expect(many.asked.length).toBe(2);
  });

  it('is not remembered when something was committed meanwhile', async () => {
    const activity = new Activity({ alone: true });
    await activity.isIdle('d1', async () => {
      activity.changed();
      return true;
    });
    expect(await activity.isIdle('d1', async () => false)).toBe(false);
  });
});
