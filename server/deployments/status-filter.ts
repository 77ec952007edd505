import { badRequest } from '../errors.ts';
import { statusesOf } from './lifecycle.ts';

/** Statuses of a filter's word; undefined: no filter. */
export function statusFilter(word: string | undefined): readonly string[] | undefined {
  if (!word) return undefined;
  const statuses = statusesOf(word);
  if (!statuses) throw badRequest(`status: no such status of a device: ${JSON.stringify(word)}`);
  return statuses;
}
