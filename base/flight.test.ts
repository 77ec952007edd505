import { expect, it } from 'vitest';
import { Flight } from './flight.ts';

const window = 8 * 1024 * 1024;

/**
 * A sender that always has more, over a line of so many bytes a ms, `delay` ms there and back. What a message that comes
 * between would wait for, and bytes a ms that arrive, in each tenth of `ms`.
 */
function run(flight: Flight, line: { rate: number; delay: number }, ms: number, clock: { now: number }) {
  const acks: { at: number; place: number }[] = [];
  const waits: number[] = [];
  const rates: number[] = [];
  let [place, free, arrived] = [flight.acknowledged, clock.now, 0];
  const begun = clock.now;
  for (let tenth = 1; tenth <= 10; tenth++) {
    let worst = 0;
    const before = arrived;
    for (; clock.now < begun + (ms * tenth) / 10; clock.now++) {
      for (; acks[0] && acks[0].at <= clock.now; acks.shift()) {
        flight.acknowledge(acks[0].place);
        arrived = acks[0].place;
      }
      for (let piece = Math.min(65_536, flight.piece); flight.takes(piece); piece = Math.min(65_536, flight.piece)) {
        flight.send(piece);
        place += piece;
        free = Math.max(free, clock.now) + piece / line.rate;
        acks.push({ at: free + line.delay, place });
      }
      worst = Math.max(worst, free - clock.now);
    }
    waits.push(worst);
    rates.push((arrived - before) / (ms / 10));
  }
  return { waits, rates };
}

it.each([
  { name: 'slow', rate: 200, delay: 60, wait: 450 },
  { name: 'usual', rate: 2000, delay: 40, wait: 200 },
  { name: 'long', rate: 20_000, delay: 100, wait: 200 },
  { name: 'very long', rate: 5000, delay: 600, wait: 400 },
])('a $name line is filled, and what comes between waits a fraction of a second', ({ rate, delay, wait }) => {
  const clock = { now: 0 };
  const { waits, rates } = run(new Flight(window, 0, true, () => clock.now), { rate, delay }, 30_000, clock);
  expect(Math.max(...waits.slice(2))).toBeLessThan(wait);
  for (const each of rates.slice(2)) expect(each).toBeGreaterThan(rate * 0.9);
});

it('a line that is faster than the window allows has the whole window under way', () => {
  const clock = { now: 0 };
  const { rates } = run(new Flight(window, 0, true, () => clock.now), { rate: 1e6, delay: 200 }, 10_000, clock);
  expect(rates.at(-1)).toBeGreaterThan((window / 201) * 0.9);
});

it('after a silence of the line it is soon filled again', () => {
  const clock = { now: 0 };
  const flight = new Flight(window, 0, true, () => clock.now);
  flight.send(65_536);
  clock.now = 50;
  flight.acknowledge(65_536);
  flight.send(65_536);
  clock.now = 90_000;
  flight.acknowledge(131_072);
  const { rates } = run(flight, { rate: 20_000, delay: 100 }, 10_000, clock);
  expect(rates.at(-1)).toBeGreaterThan(18_000);
});

it('whoever sends seldom is given no more than he tried', () => {
  const clock = { now: 0 };
  const flight = new Flight(window, 0, true, () => clock.now);
  for (let place = 1000; place < 100_000; place += 1000) {
    flight.send(1000);
    clock.now += 50;
    flight.acknowledge(place);
  }
  expect(flight.takes(1000)).toBe(true);
  flight.send(1000);
  expect(flight.takes(80 * 1024)).toBe(false);
});
