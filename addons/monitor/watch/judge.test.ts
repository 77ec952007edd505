import { expect, it } from 'vitest';
import { Judge, type Finding } from './judge.ts';

let now = 0;
const finding = (level: Finding['level']): Finding => ({ level, status: level, description: '' });
const judge = (more: object = {}) =>
  new Judge({
    title: 'Service x not running',
    flappingTitle: 'Service x going up and down',
    flapping: () => ({ interval: 60, count: 4 }),
    ticks: () => now,
    ...more,
  });
const said = (words: readonly { level: string; name: string }[]) => words.map(({ level, name }) => `${level} ${name}`);

it('one word when it turns bad, none while it stays, one with the same name when it is well', () => {
  const own = judge();
  const all = (['OK', 'CRITICAL', 'CRITICAL', 'WARNING', 'OK', 'OK'] as const).flatMap((level) =>
    said(own.hear(finding(level))),
  );
  expect(all).toEqual(['CRITICAL Service x not running', 'WARNING Service x not running', 'OK Service x not running']);
});

it('MON-8 goes on where it was before a restart', () => {
  const standing = { level: 'CRITICAL', name: 'as it was called then' } as const;
  expect(said(judge({ standing }).hear(finding('CRITICAL')))).toEqual([]);
  expect(said(judge({ standing }).hear(finding('OK')))).toEqual(['OK as it was called then']);
});

it('MON-12 too many changes are one alert, and when it is calm that ends and the truth is said', () => {
  const own = judge();
  const all: string[] = [];
  for (let turn = 0; turn < 9; turn += 1) {
    now += 1000;
    all.push(...said(own.hear(finding(turn % 2 === 0 ? 'CRITICAL' : 'OK'))));
  }
  expect(all.slice(4)).toEqual(['CRITICAL Service x going up and down']);
  expect(own.calmIn).toBe(60_000);
  now += 60_000;
  expect(own.calmIn).toBe(0);
  expect(said(own.calm())).toEqual(['OK Service x going up and down', 'CRITICAL Service x not running']);
  expect(said(own.hear(finding('OK')))).toEqual(['OK Service x not running']);
});

it('short interruptions count for going up and down, and only for that', () => {
  const own = judge();
  own.hear(finding('OK'));
  expect([own.flicker(), own.flicker()].flat()).toEqual([]);
  expect(said(own.flicker())).toEqual(['CRITICAL Service x going up and down']);
  now += 100_000;
  own.hear(finding('OK'));
  expect(said(own.calm())).toEqual(['OK Service x going up and down', 'OK Service x not running']);
});

it('when nothing is known any more, being well is said once', () => {
  const own = judge({ amnesia: true });
  expect(said(own.hear(finding('OK')))).toEqual(['OK Service x not running']);
  expect(said(own.hear(finding('OK')))).toEqual([]);
});
