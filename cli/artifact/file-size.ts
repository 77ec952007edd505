import { misuse } from './exit.ts';

const units: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 };

/** A size as users write it, such as `1.5GB`, in bytes. Units are decimal. */
export function parseSize(flag: string, text: string): number {
  const [, number, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = units[unit.toLowerCase()];
  if (number === undefined || factor === undefined) throw misuse(`${flag} ${text}: not a size such as 500MB or 1.5GB`);
  return Math.round(Number(number) * factor);
}
