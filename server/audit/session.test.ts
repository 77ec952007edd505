import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SessionEvent } from '../relay/events.ts';
import { openStore, type Db } from '../store/store.ts';
import { AuditLog } from './audit.ts';
import { SessionAudit } from './session.ts';

let folder = '';
let db: Db;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'patchbay-audit-'));
  db = await openStore(folder);
});
afterEach(async () => {
  await db.destroy();
  rmSync(folder, { recursive: true, force: true });
});

const event = (type: SessionEvent['type'], sid: string, resumes = false): SessionEvent => ({
  type,
  session: {
    sid,
    deviceId: 'd',
    userId: 'u',
    kind: 'terminal',
    uses: [],
    openedAt: new Date(),
    activeAt: new Date(),
    bytesFromDevice: 5,
    bytesToDevice: 3,
    userName: 'u@example.com',
    resumes,
    waitsFor: undefined,
    interruptions: [],
    recorded: false,
    size: undefined,
    guests: [],
    shared: false,
  },
  request: { id: 'r', address: '127.0.0.1' },
});

it('a session that a killed server had open is closed by the next start, once; one that had ended is not', async () => {
  const audit = new AuditLog(db);
  const sessions = new SessionAudit(db, audit);
  for (const sid of ['a', 'b']) await sessions.write(event('opened', sid));
  await sessions.write(event('closed', 'a'));
  await new SessionAudit(db, audit).recover();
  await new SessionAudit(db, audit).recover();
  const { entries } = await audit.list({ actions: [{ action: 'session_close' }] }, 10, 0);
  expect(entries.map(({ result, details }) => [result, details?.['session_id']])).toEqual([
    ['failed', 'b'],
    ['ok', 'a'],
  ]);
  expect(entries[0]?.details?.['lost']).toMatch(/server stopped/);
  expect(entries[1]?.details).toMatchObject({ bytes_from_device: 5, bytes_to_device: 3 });
});
