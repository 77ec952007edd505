import { Type, type Static, type TProperties } from 'typebox';
import { OneOf } from '#proto/http/conventions';
import { wanted } from './wanted.ts';

/** What a check is called; with its type it names the check on a device: `disk_root`. */
export const CheckName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.@:-]{0,127}$' });

const Text = Type.String({ minLength: 1, maxLength: 1024 });
const Path = Type.String({ pattern: '^/[^\\0]*$', maxLength: 4096 });
/** RE2 syntax: matched in linear time. */
const Pattern = Type.String({ minLength: 1, maxLength: 1024 });
const Percent = Type.Number({ minimum: 0, maximum: 100 });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Seconds = Type.Integer({ minimum: 0, maximum: 31_536_000 });

const common = {
  name: CheckName,
  /** Of the alert when it is bad; default `CRITICAL`. */
  level: Type.Optional(OneOf(wanted)),
};
/** Checks that look, rather than are told: every so many seconds; default 30. */
const timed = { every: Type.Optional(Type.Integer({ minimum: 5, maximum: 86_400 })) };

const check = <T extends string, P extends TProperties>(type: T, properties: P) =>
  Type.Object({ type: Type.Literal(type), ...common, ...properties }, { additionalProperties: false });

/** What the server may ask a device to watch. The first three are those of add-ons.md §6.3 as well. */
export const Check = Type.Union([
  check('service', {
    /** The unit; default the name. */
    unit: Type.Optional(Text),
    kind: Type.Optional(OneOf(['systemd', 'sysV'])),
  }),
  check('log', {
    pattern: Pattern,
    file: Type.Optional(Path),
    /** The journal of this unit; `*`: of the whole system. One of `file` and `journal`. */
    journal: Type.Optional(Text),
    /** Seconds without a match until it is well again; 0 or left out: the device's own default. */
    expires: Type.Optional(Seconds),
  }),
  check('dbus', {
    pattern: Type.Optional(Pattern),
    /** A match rule, as for `dbus-monitor`. One of both, or both. */
    watch: Type.Optional(Text),
    expires: Type.Optional(Seconds),
  }),
  check('disk', { ...timed, path: Type.Optional(Path), percent: Type.Optional(Percent) }),
  check('memory', { ...timed, percent: Type.Optional(Percent) }),
  /** `load`: of five minutes, per processor. */
  check('load', { ...timed, load: Type.Optional(Type.Number({ minimum: 0, maximum: 10_000 })) }),
  /** `sensor`: the `type` of a thermal zone; left out: the hottest of all. */
  check('temperature', {
    ...timed,
    sensor: Type.Optional(Text),
    celsius: Type.Optional(Type.Number({ minimum: -273, maximum: 1000 })),
  }),
  check('network', {
    ...timed,
    host: Text,
    port: Port,
    timeout: Type.Optional(Type.Integer({ minimum: 1, maximum: 60 })),
  }),
  check('http', {
    ...timed,
    url: Type.String({ pattern: '^https?://', maxLength: 2048 }),
    status: Type.Optional(Type.Integer({ minimum: 100, maximum: 599 })),
    contains: Type.Optional(Text),
    timeout: Type.Optional(Type.Integer({ minimum: 1, maximum: 60 })),
  }),
  /** Of a server (`host`, `port`) or in a PEM file; bad when it ends in fewer than `days` days. */
  check('certificate', {
    ...timed,
    host: Type.Optional(Text),
    port: Type.Optional(Port),
    file: Type.Optional(Path),
    days: Type.Optional(Type.Integer({ minimum: 0, maximum: 3650 })),
  }),
  check('process', {
    ...timed,
    /** What a process is called (`comm`), or a pattern of its command line. */
    process: Type.Optional(Text),
    pattern: Type.Optional(Pattern),
    min: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
    max: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  }),
  /** One of the device's own scripts, by its file name: exit code 0 is well, 1 a warning, others critical; its output says why. */
  check('script', {
    ...timed,
    script: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' }),
    arguments: Type.Optional(Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 32 })),
    timeout: Type.Optional(Type.Integer({ minimum: 1, maximum: 600 })),
  }),
]);
export type Check = Static<typeof Check>;

/** What `GET /api/devices/v1/devicemonitor/checks` answers: all checks of this device, and which version of them it is (an ETag too). */
export const AssignedChecks = Type.Object({
  version: Type.String({ maxLength: 128 }),
  checks: Type.Array(Check, { maxItems: 500 }),
});
export type AssignedChecks = Static<typeof AssignedChecks>;

/** One entry of what a device says it watches: `POST /api/devices/v1/devicemonitor/config` (add-ons.md §6.6). */
export const ReportedCheck = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 1024 }),
  type: Type.String({ minLength: 1, maxLength: 256 }),
  status: Type.String({ maxLength: 256 }),
  /** Ours: `local`, or `server` with the version that it came with. */
  origin: Type.Optional(Type.String({ maxLength: 64 })),
  version: Type.Optional(Type.String({ maxLength: 128 })),
  /** Ours: why a check that the server asked for is not made here. */
  refused: Type.Optional(Type.String({ maxLength: 1024 })),
});
export type ReportedCheck = Static<typeof ReportedCheck>;
