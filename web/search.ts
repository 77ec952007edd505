// What a page keeps in its address. An address comes from outside: each value is checked, what is not understood is left.
import type { FilterTerm } from '#proto/http/devices';
import { questions, scopes } from './filter-terms.ts';

type Raw = Record<string, unknown>;

const word = <W extends string>(value: unknown, words: readonly W[]): W | undefined =>
  words.find((each) => each === value);
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value ? value.slice(0, 256) : typeof value === 'number' ? String(value) : undefined;
const day = (value: unknown): string | undefined =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? value : undefined;
const list = (value: unknown): string | undefined =>
  typeof value === 'string' && value.length <= 40_000 ? value : undefined;
const page = (value: unknown): number | undefined => {
  const number = Number(value);
  return Number.isInteger(number) && number > 1 && number < 1e6 ? number : undefined;
};
/** Conditions of a list of devices. */
function terms(value: unknown): FilterTerm[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const good = value.slice(0, 20).filter((each: unknown): each is FilterTerm => {
    const { scope, attribute, type } = (each ?? {}) as Record<string, unknown>;
    return typeof attribute === 'string' && known(scopes, scope) && questions.some((one) => one.type === type);
  });
  return good.length > 0 ? good : undefined;
}
const known = (words: readonly string[], value: unknown): boolean => typeof value === 'string' && words.includes(value);
const some = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;

export const devicesSearch = (raw: Raw) =>
  some({
    status: word(raw['status'], ['pending', 'rejected']),
    page: page(raw['page']),
    q: text(raw['q']),
    /** Only those that say that something is wrong. */
    issues: raw['issues'] === true ? true : undefined,
    group: text(raw['group']),
    terms: terms(raw['terms']),
  });
export const deviceSearch = (raw: Raw) =>
  some({ tab: text(raw['tab']), page: page(raw['page']), join: text(raw['join']) });
export const releasesSearch = (raw: Raw) => some({ page: page(raw['page']), q: text(raw['q']) });
export const deploymentsSearch = (raw: Raw) =>
  some({
    status: word(raw['status'], ['pending', 'inprogress', 'finished']),
    page: page(raw['page']),
    q: text(raw['q']),
    /** The dialog for a new one is open, for this release and these devices (or none chosen yet). */
    new: raw['new'] === true || raw['new'] === '' ? '' : list(raw['new']),
    release: text(raw['release']),
  });
export const deploymentSearch = (raw: Raw) =>
  some({ page: page(raw['page']), show: word(raw['show'], ['active', 'success', 'failure']), log: text(raw['log']) });
export const auditSearch = (raw: Raw) =>
  some({
    page: page(raw['page']),
    user: text(raw['user']),
    action: text(raw['action']),
    object: text(raw['object']),
    result: word(raw['result'], ['ok', 'refused', 'failed']),
    since: day(raw['since']),
    until: day(raw['until']),
  });
/** What an add-on's page keeps is its own to understand; text, and not without bound. */
export const addonSearch = (raw: Raw): Record<string, string> =>
  Object.fromEntries(
    Object.entries(raw)
      .slice(0, 20)
      .flatMap(([key, value]) => {
        const kept = text(value);
        return kept === undefined ? [] : [[key, kept]];
      }),
  );
export type AuditSearch = ReturnType<typeof auditSearch>;

/** Where to go on after login: a path of ours only, never another host's. */
export const loginSearch = (raw: Raw) => {
  const from = text(raw['from']);
  return some({
    from: from && /^\/(?![/\\])/.test(from) ? from : undefined,
    expired: raw['expired'] === true ? true : undefined,
  });
};
