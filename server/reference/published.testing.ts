// The published contract of the reference, where this machine has it: it is read from there and never copied.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '..', '..');
/** Beside the clone, or beside the folder of a work tree. */
const places = ['../shared', '../../shared'].map((place) => join(root, place, 'spec', 'openapi.yaml'));

/** The OpenAPI document as it is; undefined: it is not on this machine. */
export function publishedDocument(): Record<string, unknown> | undefined {
  for (const place of places) {
    try {
      return parse(readFileSync(place, 'utf8')) as Record<string, unknown>;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return undefined;
}
