import { InvalidArgumentError } from 'commander';
import { usage } from './failure.ts';

/** An option that may be repeated, each time one of the choices. */
export const collect =
  (choices?: readonly string[]) =>
  (value: string, before: string[] = []): string[] => {
    if (choices && !choices.includes(value)) throw new InvalidArgumentError(`It is one of ${choices.join(', ')}.`);
    return [...before, value];
  };

/** A whole number from 1. */
export function count(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It is a whole number from 1.');
  return number;
}

export function atLeastOne(items: readonly string[], noun: string): void {
  if (!items.length) throw usage(`name at least one ${noun}`);
}
