// What the server half answers, secrets masked; the types for those who ask are in `answers.ts`.
import { Type } from 'typebox';
import { states } from './answers.ts';
import type { Drift } from './drift.ts';
import type { Keys } from './keys.ts';
import type { Layer } from './layers.ts';
import type { Revision } from './store.ts';
import { difference, Values, valueOf } from './values.ts';

const Text = Type.String();
const Where = Type.Object({
  kind: Type.Union([Type.Literal('fleet'), Type.Literal('group'), Type.Literal('device')]),
  name: Text,
});
export const Given = Type.Object({
  values: Values,
  revision: Type.Integer(),
  priority: Type.Optional(Type.Integer()),
  updated_ts: Type.Optional(Text),
  updated_by: Type.Optional(Text),
});
export const Differing = Type.Object({
  since: Text,
  keys: Type.Array(
    Type.Object({
      key: Text,
      desired: Type.Optional(Text),
      reported: Type.Optional(Text),
      since: Text,
      secret: Type.Boolean(),
    }),
  ),
});
export const State = Type.Union(states.map((state) => Type.Literal(state)));
export const Whole = Type.Object({
  id: Text,
  own: Given,
  effective: Type.Array(
    Type.Object({ key: Text, value: Text, secret: Type.Boolean(), origin: Where, overrides: Type.Array(Where) }),
  ),
  reported: Values,
  state: State,
  drift: Type.Optional(Differing),
  reported_ts: Type.Optional(Text),
  sent_ts: Type.Optional(Text),
  deployment_id: Type.Optional(Text),
});
export const Sent = Type.Object({
  sent: Type.Array(Type.Object({ device_id: Text, deployment_id: Type.Optional(Text), error: Type.Optional(Text) })),
  unchanged: Type.Integer(),
});
export const History = Type.Array(
  Type.Object({
    revision: Type.Integer(),
    ts: Text,
    by: Text,
    reverts: Type.Optional(Type.Integer()),
    values: Values,
    changes: Type.Optional(
      Type.Array(
        Type.Object({ key: Text, before: Type.Optional(Text), after: Type.Optional(Text), secret: Type.Boolean() }),
      ),
    ),
  }),
);
export function givenOf({ place, values, revision, priority, updated_ts, updated_by }: Layer, keys: Keys) {
  return {
    values: keys.masked(values),
    revision,
    ...(place.kind === 'group' ? { priority } : {}),
    ...(updated_ts === undefined ? {} : { updated_ts }),
    ...(updated_by ? { updated_by } : {}),
  };
}

/** A setting with texts that are masked if it is a secret. */
export function shown<T extends Readonly<Record<string, string>>>(
  keys: Keys,
  key: string,
  texts: T,
): T & { key: string; secret: boolean } {
  const secret = keys.isSecret(key);
  const masked = Object.entries(texts).map(([name, text]) => [name, keys.masked({ [key]: text })[key] ?? text]);
  return { key, secret, ...(Object.fromEntries(masked) as T) };
}

export const driftShown = ({ since, keys: differing }: Drift, keys: Keys) => ({
  since,
  keys: differing.map(({ key, since, ...texts }) => ({ ...shown(keys, key, texts), since })),
});

export function revisionOf({ revision, previous }: { revision: Revision; previous?: Revision }, keys: Keys) {
  const { set, removed } = difference(previous?.values ?? {}, revision.values);
  const changes = [...set, ...removed].sort().map((key) => {
    const before = valueOf(previous?.values ?? {}, key);
    const after = valueOf(revision.values, key);
    return shown(keys, key, {
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    });
  });
  return { ...revision, values: keys.masked(revision.values), ...(previous ? { changes } : {}) };
}
