import type { Request } from 'express';
import type { Log } from '#base/log';
import type { Blobs } from '../blobs/blobs.ts';
import type { Live } from '../live/live.ts';
import type { Db } from '../store/store.ts';
import type { Room } from './room.ts';

/** What the artifacts slice is given. */
export interface ArtifactDeps {
  readonly db: Db;
  readonly blobs: Blobs;
  readonly live: Live;
  readonly log: Log;
  /** Signs download links. */
  readonly linkSecret: Buffer;
  /** The origin that the caller of a request uses for this server, with its path prefix if there is one. */
  readonly publicUrl: (req: Request) => string;
  /** How much all artifacts together may take. */
  readonly room: Room;
  readonly limits: {
    /** Largest artifact, bytes. */
    readonly artifactSize: number;
  };
}
