import { Type, type Static } from 'typebox';
import { OneOf } from '#proto/http/conventions';

/** How bad, worst last but for `UNKNOWN`: the check itself could not be made (add-ons.md §6.4). */
export const levels = ['OK', 'WARNING', 'CRITICAL', 'CRITICAL_FLAPPING', 'UNKNOWN'] as const;
export type Level = (typeof levels)[number];

const Text = (maxLength: number) => Type.String({ maxLength });

/** One line of a log; `line_number` counts from 1. */
export const LogLine = Type.Object({
  line_number: Type.Optional(Type.Integer({ minimum: 0 })),
  data: Text(16_384),
});
export type LogLine = Static<typeof LogLine>;

/** What a device says of a check whose state has changed (add-ons.md §6.6). */
export const Alert = Type.Object({
  /** Ours: made on the device; the server keeps one alert of an id, however often it comes. */
  id: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{8,64}$' })),
  /** Ours: the check that it is of, `SUBSYSTEM_NAME`, as its file is called. */
  check: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  /** What people read first; an `OK` has the name of what it ends. */
  name: Type.String({ minLength: 1, maxLength: 1024 }),
  level: OneOf(levels),
  /** RFC 3339, by the device's clock. */
  timestamp: Type.String({ maxLength: 64, pattern: '^\\d{4}-\\d{2}-\\d{2}[Tt ]\\d{2}:\\d{2}:\\d{2}' }),
  subject: Type.Object({
    name: Text(1024),
    type: Text(256),
    status: Text(1024),
    details: Type.Optional(
      Type.Object({
        description: Type.Optional(Text(65_536)),
        lines_before: Type.Optional(Type.Array(LogLine, { maxItems: 1000 })),
        line_matching: Type.Optional(LogLine),
        lines_after: Type.Optional(Type.Array(LogLine, { maxItems: 1000 })),
      }),
    ),
  }),
});
export type Alert = Static<typeof Alert>;

export const Alerts = Type.Array(Alert, { maxItems: 1000 });
