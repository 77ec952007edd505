import type { Participant } from '#proto';
import type { Interruption } from './absence.ts';
import type { SessionUse } from './uses.ts';

/** What the lists, the audit log and the recordings are told of a session. */
export interface SessionFacts {
  readonly sid: string;
  readonly deviceId: string;
  readonly userId: string;
  /** What people call the user. */
  readonly userName: string;
  /** The add-on's id, or `other`. Undefined until its first message that is not of the handshake. */
  readonly kind: string | undefined;
  readonly openedAt: Date;
  /** When the person last sent something. */
  readonly activeAt: Date;
  /** Bytes of frames, from the device and to it; of one that outlived its server, since then. */
  readonly bytesFromDevice: number;
  readonly bytesToDevice: number;
  /** It may outlive its links. */
  readonly resumes: boolean;
  /** Whose link it waits for now. */
  readonly waitsFor: 'person' | 'device' | undefined;
  readonly interruptions: readonly Interruption[];
  readonly recorded: boolean;
  /** Of its screen, once it said so. */
  readonly size: { readonly cols: number; readonly rows: number } | undefined;
  /** Others who are at this terminal. */
  readonly guests: readonly Participant[];
  /** They may type. */
  readonly shared: boolean;
  /** What it was used for: files, ports, as far as add-ons say what counts. The first hundred. */
  readonly uses: readonly SessionUse[];
}

/** What is known of a session that began before this server did. */
export interface Recalled {
  readonly deviceId: string;
  readonly userId: string;
  readonly userName: string;
  readonly kind: string;
  readonly openedAt: Date;
}
