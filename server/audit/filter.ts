import { auditActions, auditCode, auditResults, type AuditResult } from '#proto/http/audit';
import { badRequest } from '../errors.ts';
import { likeAnywhere } from '../store/like.ts';
import type { Db } from '../store/store.ts';

export interface Deed {
  readonly action: string;
  readonly result?: AuditResult;
}

export interface AuditFilter {
  /** Id or name, whole. */
  readonly actor?: string | undefined;
  /** Any of these; with a result, if it ended so. */
  readonly actions?: readonly Deed[] | undefined;
  readonly objectType?: string | undefined;
  readonly objectId?: string | undefined;
  /** Part of the name or id of the object. */
  readonly object?: string | undefined;
  readonly results?: readonly AuditResult[] | undefined;
  readonly address?: string | undefined;
  /** From this time on, and before this one. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** The entries that a filter lets through. */
export function matching(db: Db, filter: AuditFilter) {
  let query = db.selectFrom('audit');
  const { actor, actions = [], objectType, objectId, object, results = [], address, since, until } = filter;
  if (actor) query = query.where((e) => e.or([e('actor_id', '=', actor), e('actor_name', '=', actor)]));
  if (actions.length > 0)
    query = query.where((e) =>
      e.or(
        actions.map(({ action, result }) =>
          result ? e.and([e('action', '=', action), e('result', '=', result)]) : e('action', '=', action),
        ),
      ),
    );
  if (objectType) query = query.where('object_type', '=', objectType);
  if (objectId) query = query.where('object_id', '=', objectId);
  if (object)
    query = query.where((e) =>
      e.or([likeAnywhere('audit.object_name', object), likeAnywhere('audit.object_id', object)]),
    );
  if (results.length > 0) query = query.where('result', 'in', results);
  if (address) query = query.where('address', '=', address);
  if (since) query = query.where('time', '>=', since);
  if (until) query = query.where('time', '<', until);
  return query;
}

/** A moment as the log spells it: a date alone is its beginning in UTC. 400 for what is no time. */
export function momentOf(name: string, text: string | undefined): string | undefined {
  if (!text) return undefined;
  const shape = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;
  const time = shape.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(time.getTime()))
    throw badRequest(`${name}: a time such as 2026-08-22T10:00:00Z, or a date, is wanted`);
  return time.toISOString();
}

export function resultsOf(words: readonly string[]): AuditResult[] {
  return words.map((word) => {
    const known = auditResults.find((result) => result === word);
    if (!known) throw badRequest(`result: must be one of ${auditResults.join(', ')}`);
    return known;
  });
}

/** Words or numbers of actions: `login`, `101`, `P101W`. The letter of a code says the result too. */
export function actionsOf(words: readonly string[]): Deed[] {
  return words.map((word): Deed => {
    const [, number, letter] = /^P?(\d{3})([IWE])?$/.exec(word) ?? [];
    if (number === undefined) return { action: word };
    const found = Object.entries(auditActions).find(([, known]) => known === Number(number));
    if (!found) throw badRequest(`action: there is no action ${word}`);
    const result = auditResults.find((known) => auditCode(found[0], known).endsWith(letter ?? ' '));
    return { action: found[0], ...(result ? { result } : {}) };
  });
}
