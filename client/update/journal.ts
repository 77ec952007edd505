import { readFileSync, renameSync } from 'node:fs';
import { Type, type Static } from 'typebox';
import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { parser } from '#proto/validate';
import { writeDurably } from '#base/durable';

const Name = Type.String({ maxLength: 65536 });
const Names = Type.Array(Name, { maxItems: 100_000 });
/** Mender's clients leave out, or write as null, what is empty. */
const MaybeNames = Type.Array(Name, { maxItems: 100_000, default: [] });
const Provides = Type.Record(Type.String({ maxLength: 4096 }), Name);

/** What is remembered of the artifact of a deployment (`update-client.md` §2.4), in Mender's spelling. */
export const StoredArtifact = Type.Object({
  artifact_name: Type.String({ maxLength: 65536, default: '' }),
  artifact_group: Type.String({ maxLength: 65536, default: '' }),
  artifact_provides: Type.Optional(Provides),
  clears_artifact_provides: Type.Optional(Names),
  device_types_compatible: MaybeNames,
  PayloadTypes: MaybeNames,
  Source: Type.Optional(Type.Object({ URI: Name, Expire: Type.Optional(Name) })),
});
export type StoredArtifact = Static<typeof StoredArtifact>;

/** A managed deployment under way, version 2 of Mender's own form plus `Outcome`. */
export const StoredDeployment = Type.Object({
  Version: Type.Literal(2),
  Name: Type.String({ maxLength: 64 }),
  UpdateInfo: Type.Object({
    ID: Type.String({ maxLength: 256 }),
    Artifact: StoredArtifact,
    RebootRequested: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64, default: [] }),
    SupportsRollback: Type.String({ maxLength: 64, default: '' }),
    StateDataStoreCount: Type.Integer({ minimum: 0, default: 0 }),
    HasDBSchemaUpdate: Type.Optional(Type.Boolean()),
    AllRollbacksSuccessful: Type.Boolean({ default: false }),
    /** Ours: what the deployment has come to, so that a cut in its last steps does not turn success into failure. */
    Outcome: Type.Optional(
      Type.Union([
        Type.Literal('clean'),
        Type.Literal('failed'),
        Type.Literal('rolledBack'),
        Type.Literal('rollbackFailed'),
      ]),
    ),
    /** Ours too: why it fails, and how long somebody on the device has made it wait (`deployment.ts`). */
    Reason: Type.Optional(Type.String({ maxLength: 1000 })),
    Held: Type.Optional(Type.Number({ minimum: 0 })),
    HeldSince: Type.Optional(Type.Number({ minimum: 0 })),
    Boot: Type.Optional(Type.String({ maxLength: 64 })),
  }),
});
export type StoredDeployment = Static<typeof StoredDeployment>;

/** A standalone installation that waits or was cut (`update-client.md` §6.5). */
export const StoredStandalone = Type.Object({
  Version: Type.Literal(2),
  ArtifactName: Type.String({ minLength: 1, maxLength: 65536 }),
  ArtifactGroup: Type.String({ maxLength: 65536, default: '' }),
  PayloadTypes: Type.Array(Name, { minItems: 1, maxItems: 1 }),
  ArtifactTypeInfoProvides: Type.Optional(Provides),
  ArtifactClearsProvides: Type.Optional(Names),
  InState: Type.String({ maxLength: 64 }),
  Failed: Type.Boolean(),
  RolledBack: Type.Boolean(),
});
export type StoredStandalone = Static<typeof StoredStandalone>;

/** How the last deployment ended; `at` in Unix time, s. */
export const LastResult = Type.Object({
  deployment: Type.String({ maxLength: 256 }),
  artifact: Name,
  result: Type.Union([Type.Literal(''), Type.Literal('success'), Type.Literal('failure')]),
  at: Type.Integer({ minimum: 0 }),
  reason: Type.String({ maxLength: 1000 }),
});
export type LastResult = Static<typeof LastResult>;

/** Somebody on the device asks updates to wait: until when (Unix time, s), and for how many seconds that was given. */
const Deferral = Type.Object({ until: Type.Integer({ minimum: 0 }), seconds: Type.Integer({ minimum: 1 }) });

export const StoredRecord = Type.Object({
  version: Type.Literal(1),
  /** Absent: never told; shown as `unknown`. */
  artifactName: Type.Optional(Name),
  artifactGroup: Type.Optional(Name),
  /** Without name and group. */
  provides: Provides,
  deployment: Type.Optional(StoredDeployment),
  standalone: Type.Optional(StoredStandalone),
  lastResult: Type.Optional(LastResult),
  deferral: Type.Optional(Deferral),
  /** Which state of another client's store all of this began with (`migration/takeover.ts`). */
  takenOver: Type.Optional(Type.String({ maxLength: 64 })),
});
export type StoredRecord = Static<typeof StoredRecord>;

/** A record from outside, checked; throws `journal`. */
export const parseRecord = parser(StoredRecord, 'journal');

/**
 * All that must survive a power cut, in ONE file: what the device is called and provides, and the update under way.
 * Every change is one atomic replacement, so there is never a mixture of an old and a new half. Read afresh for each
 * use: daemon and standalone commands share the file.
 */
export class Journal {
  readonly #file: string;
  readonly #log: Log;
  readonly #written: (() => void) | undefined;
  /** `written` is told of each completed write. */
  constructor(file: string, log: Log, written?: () => void) {
    this.#file = file;
    this.#log = log;
    this.#written = written;
  }

  /** What is stored. A damaged file is set aside as `-broken`; its place is taken by an empty record. */
  read(): StoredRecord {
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { version: 1, provides: {} };
      throw error;
    }
    try {
      return parseRecord(JSON.parse(text));
    } catch (error) {
      this.#log.error('store is damaged: set aside, empty one taken', {
        file: `${this.#file}-broken`,
        error: messageOf(error),
      });
      renameSync(this.#file, `${this.#file}-broken`);
      return { version: 1, provides: {} };
    }
  }

  /** One atomic change, on the disk when this returns. Throws if it could not be stored; then nothing has changed. */
  write(change: (record: StoredRecord) => StoredRecord): void {
    writeDurably(this.#file, `${JSON.stringify(change(this.read()))}\n`);
    this.#written?.();
  }
}

/** Name as shown and sent. */
export const artifactNameOf = (record: StoredRecord): string => record.artifactName ?? 'unknown';

/** All provides in the flat form of poll and `show-provides`: name first, then group, then the others by key. */
export function flatProvides(record: StoredRecord): Record<string, string> {
  return {
    artifact_name: artifactNameOf(record),
    ...(record.artifactGroup ? { artifact_group: record.artifactGroup } : {}),
    ...Object.fromEntries(Object.entries(record.provides).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
