import { Type, type Static, type TSchema } from 'typebox';
import { shape } from './shape.ts';

// Wire names as `artifact-format.md` §6 and §15 have them. Strangers are refused here, as the server's peer does.
const Text = Type.String({ minLength: 1 });
const Texts = Type.Array(Text);
const closed = { additionalProperties: false };

/** Go writes null for a list or map that it has not. */
const optional = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));

const HeaderInfo3 = Type.Object(
  {
    payloads: Type.Array(Type.Object({ type: Type.Union([Type.String(), Type.Null()]) }, closed), { minItems: 1 }),
    artifact_provides: Type.Object({ artifact_name: Text, artifact_group: Type.Optional(Type.String()) }, closed),
    artifact_depends: Type.Object(
      {
        artifact_name: optional(Texts),
        device_type: Type.Array(Text, { minItems: 1 }),
        artifact_group: optional(Texts),
      },
      closed,
    ),
  },
  closed,
);
/** header-info of the augmented part: only what it changes must be there. */
const HeaderInfoAugment = Type.Object(
  {
    payloads: HeaderInfo3.properties.payloads,
    artifact_provides: Type.Optional(HeaderInfo3.properties.artifact_provides),
    artifact_depends: Type.Optional(HeaderInfo3.properties.artifact_depends),
  },
  closed,
);
const HeaderInfo2 = Type.Object(
  {
    artifact_name: Text,
    updates: Type.Array(Type.Object({ type: Text }, closed), { minItems: 1 }),
    device_types_compatible: Type.Array(Text, { minItems: 1 }),
  },
  closed,
);

/** Open, unlike header-info: other readers pass over keys that they do not know. */
const TypeInfo = Type.Object({
  type: optional(Type.String()),
  artifact_provides: optional(Type.Record(Type.String(), Type.String())),
  artifact_depends: optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())]))),
  clears_artifact_provides: optional(Type.Array(Type.String())),
});
const Files2 = Type.Object({ files: Type.Array(Type.String()) }, closed);
const MetaData = Type.Record(Type.String(), Type.Unknown());

export type HeaderInfo = Static<typeof HeaderInfo3>;
export type TypeInfo = Static<typeof TypeInfo>;

export const headerInfo3 = shape(HeaderInfo3);
export const headerInfoAugment = shape(HeaderInfoAugment);
export const headerInfo2 = shape(HeaderInfo2);
export const typeInfo = shape(TypeInfo);
export const files2 = shape(Files2);
export const metaData = shape(MetaData);
