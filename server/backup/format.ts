import { Type, type Static } from 'typebox';
import { CodedError } from '#base/errors';
import { parser } from '#proto/validate';
import { keyFolder } from '../store/seal.ts';

// A backup is a tar, in this order: `backup.json`, the rows of each table in pieces (`database/TABLE/000001.jsonl.zst`: one
// JSON list a row, in the order of the columns that `backup.json` names), the files of the data folder, `checksums.json`.
// The same for either database: what was backed up from one can be restored into the other.

export const headName = 'backup.json';
export const sumsName = 'checksums.json';
export const rowsPath = /^database\/([a-z0-9_]{1,63})\/\d{6}\.jsonl\.zst$/;
export const filePath = /^files\/([a-z]{1,32})\/([A-Za-z0-9_-][A-Za-z0-9._-]{0,199})$/;

/** Folders of the data folder that are part of it. */
export const folders = ['artifacts', 'recordings', keyFolder] as const;

const Name = Type.String({ pattern: '^[a-z0-9_]{1,63}$' });
const Step = Type.String({ maxLength: 128 });

export const Head = Type.Object({
  format: Type.Literal('patchbay-backup'),
  version: Type.Literal(1),
  created: Type.String({ maxLength: 64 }),
  /** What the database had become: the steps that made it. Of an add-on by its table. */
  migrations: Type.Array(Step, { maxItems: 10_000 }),
  addons: Type.Record(Name, Type.Array(Step, { maxItems: 10_000 })),
  /** In an order in which no row names one that comes later. */
  tables: Type.Array(Type.Object({ name: Name, columns: Type.Array(Name, { minItems: 1, maxItems: 200 }) }), {
    maxItems: 1000,
  }),
});
export type Head = Static<typeof Head>;
export const parseHead = parser(Head);

const Sum = Type.Object({
  name: Type.String({ maxLength: 300 }),
  size: Type.Integer({ minimum: 0 }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
export type Sum = Static<typeof Sum>;
/** What is in the file, all but this itself. */
export const Sums = Type.Object({ members: Type.Array(Sum) });
export const parseSums = parser(Sums);

export const bad = (file: string, what: string): CodedError =>
  new CodedError('bad_backup', `${file} is no backup that can be restored: ${what}`);
