import { Type, type Static } from 'typebox';

/** What a device and the server say to each other over HTTP (`server-api.md` §1). Names are spelt as they travel. */

export const devicePaths = {
  authRequest: '/api/devices/v1/authentication/auth_requests',
  /** POST; a server without it answers 404, then `nextV1` is asked. */
  nextV2: '/api/devices/v2/deployments/device/deployments/next',
  /** GET with `artifact_name` and `device_type` as query, or POST. */
  nextV1: '/api/devices/v1/deployments/device/deployments/next',
  status: (id: string) => `/api/devices/v1/deployments/device/deployments/${encodeURIComponent(id)}/status`,
  log: (id: string) => `/api/devices/v1/deployments/device/deployments/${encodeURIComponent(id)}/log`,
  attributes: '/api/devices/v1/inventory/device/attributes',
  connect: '/api/devices/v1/deviceconnect/connect',
} as const;

/** Standard base64 of the signature over the exact bytes of the body. */
export const signatureHeader = 'X-MEN-Signature';

const Text = Type.String({ minLength: 1, maxLength: 4096 });

export const AuthRequest = Type.Object({
  /** The text of a JSON object. */
  id_data: Type.String({ minLength: 1, maxLength: 65536 }),
  /** PEM, SubjectPublicKeyInfo. */
  pubkey: Type.String({ minLength: 1, maxLength: 65536 }),
  tenant_token: Type.Optional(Type.String({ maxLength: 65536 })),
  tier: Type.Optional(Type.String({ maxLength: 64 })),
});
export type AuthRequest = Static<typeof AuthRequest>;

/** Body of the v2 poll: `device_type`, `artifact_name` and every other provide, flat. */
export const NextV2 = Type.Object({
  device_provides: Type.Record(Type.String({ maxLength: 4096 }), Type.String({ maxLength: 65536 })),
});
export type NextV2 = Static<typeof NextV2>;

/** Body of the v1 POST poll. */
export const NextV1 = Type.Object({
  artifact_name: Text,
  device_type: Text,
  artifact_provides: Type.Optional(Type.Record(Type.String({ maxLength: 4096 }), Type.String({ maxLength: 65536 }))),
});
export type NextV1 = Static<typeof NextV1>;

/** The answer to a poll. A device needs `id` and `artifact.source.uri`; all else it takes from the artifact itself. */
export const NextDeployment = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 256 }),
  artifact: Type.Object({
    id: Type.Optional(Type.String({ maxLength: 256 })),
    artifact_name: Type.Optional(Type.String({ maxLength: 4096 })),
    source: Type.Object({
      uri: Type.String({ minLength: 1, maxLength: 65536 }),
      expire: Type.Optional(Type.String({ maxLength: 256 })),
      method: Type.Optional(Type.String({ maxLength: 16 })),
    }),
    device_types_compatible: Type.Optional(Type.Array(Type.String({ maxLength: 4096 }), { maxItems: 10_000 })),
  }),
});
export type NextDeployment = Static<typeof NextDeployment>;

/** What a device may report; the last three are final. */
export const reportable = [
  'downloading',
  'installing',
  'rebooting',
  'pause_before_installing',
  'pause_before_rebooting',
  'pause_before_committing',
  'success',
  'failure',
  'already-installed',
] as const;
export type Reportable = (typeof reportable)[number];

/** The status is any text here: the server says 400 by name to one that a device may not send. */
export const StatusReport = Type.Object({
  status: Type.String({ minLength: 1, maxLength: 64 }),
  substate: Type.Optional(Type.String({ maxLength: 200 })),
});
export type StatusReport = Static<typeof StatusReport>;

const Filled = Type.String({ minLength: 1 });
export const LogMessage = Type.Object({ timestamp: Filled, level: Filled, message: Filled });
export type LogMessage = Static<typeof LogMessage>;

export const DeploymentLog = Type.Object({ messages: Type.Array(LogMessage, { minItems: 1 }) });
export type DeploymentLog = Static<typeof DeploymentLog>;

const Value = Type.Union([
  Type.String(),
  Type.Number(),
  Type.Array(Type.String(), { maxItems: 10_000 }),
  Type.Array(Type.Number(), { maxItems: 10_000 }),
]);
export const Attribute = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 1024 }),
  value: Value,
  description: Type.Optional(Type.String({ maxLength: 4096 })),
});
export type Attribute = Static<typeof Attribute>;

/** Body of the inventory PUT (replaces the scope) and PATCH (upserts by name). */
export const Attributes = Type.Array(Attribute, { maxItems: 10_000 });
export type Attributes = Static<typeof Attributes>;
