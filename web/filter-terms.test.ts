import { expect, it } from 'vitest';
import { draftOf, sentenceOf, termOf, type Draft } from './filter-terms.ts';

const draft = (type: Draft['type'], text: string): Draft => ({ scope: 'inventory', attribute: ' kernel ', type, text });

it.each([
  ['a text', draft('$eq', '5.10-rt'), { type: '$eq', value: '5.10-rt' }, 'kernel is 5.10-rt'],
  ['a number, which a device may say as text', draft('$eq', '5'), { type: '$in', value: ['5', 5] }, 'kernel is 5'],
  ['not a number', draft('$ne', '5'), { type: '$nin', value: ['5', 5] }, 'kernel is not 5'],
  ['a list', draft('$in', 'a, 7'), { type: '$in', value: ['a', '7', 7] }, 'kernel is one of a, 7'],
  ['more than a number', draft('$gt', '4'), { type: '$gt', value: 4 }, 'kernel is more than 4'],
  ['that it is there', draft('$exists', ''), { type: '$exists', value: true }, 'kernel is there'],
  ['that it is not', draft('$exists', 'no'), { type: '$exists', value: false }, 'kernel is not there'],
])('%s is asked for, and reads the same afterwards', (_, given, term, sentence) => {
  const made = termOf(given);
  expect(made).toEqual({ scope: 'inventory', attribute: 'kernel', ...term });
  expect(sentenceOf(made!)).toBe(sentence);
  expect(termOf(draftOf(made!))).toEqual(made);
});

it('what is not filled in yet asks nothing', () => {
  expect(termOf(draft('$eq', ' '))).toBeUndefined();
  expect(termOf({ ...draft('$eq', 'x'), attribute: '' })).toBeUndefined();
});
