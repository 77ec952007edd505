import { type Static, Type } from 'typebox';
import { OneOf, Text, Timestamp, Uuid } from '#proto/http/conventions';

/** A webhook's target. The secret is hex; it is taken and never shown. */
export const Webhook = Type.Object({
  type: Type.Literal('http'),
  http: Type.Object({
    url: Text(2048, 1),
    secret: Type.Optional(Type.String({ pattern: '^([0-9a-fA-F]{2}){0,256}$' })),
  }),
});
export type Webhook = Static<typeof Webhook>;

/** Of the three kinds of the reference this server has one: the others stand for the clouds of two companies. */
export const providers = ['webhook', 'iot-hub', 'iot-core'] as const;

export const NewIntegration = Type.Object({
  provider: OneOf(providers),
  credentials: Type.Object({ type: OneOf(['http', 'sas', 'aws']) }),
  description: Type.Optional(Text(1024)),
});

export const Integration = Type.Object({
  id: Uuid,
  provider: Type.Literal('webhook'),
  credentials: Type.Object({ type: Type.Literal('http'), http: Type.Object({ url: Type.String() }) }),
  description: Type.Optional(Type.String()),
});
export type Integration = Static<typeof Integration>;

export const eventTypes = ['device-provisioned', 'device-status-changed', 'device-decommissioned'] as const;
export type EventType = (typeof eventTypes)[number];

export const Delivery = Type.Object({
  integration_id: Uuid,
  success: Type.Boolean(),
  status_code: Type.Optional(Type.Integer()),
  error: Type.Optional(Type.String()),
});
export type Delivery = Static<typeof Delivery>;

export const IotEvent = Type.Object({
  id: Uuid,
  type: OneOf(eventTypes),
  data: Type.Object({ id: Type.String() }),
  time: Timestamp,
  delivery_statuses: Type.Array(Delivery),
});
export type IotEvent = Omit<Static<typeof IotEvent>, 'data'> & { data: Record<string, unknown> };
