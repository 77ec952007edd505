// Every operation of the contract, right and wrong, against the real server: of our own document, which is made of the
// schemas that requests are checked by, and of the published one, which clients were written against.
import { expect, it } from 'vitest';
import { publishedDocument } from '../server/reference/published.testing.ts';
import { Document } from './conformance/document.ts';
import { excuse, neverGood } from './conformance/excuses.ts';
import { conform, type Report } from './conformance/runner.ts';
import { World } from './conformance/world.ts';

/** All of them in the slow suite. */
const slow = process.env['PATCHBAY_SLOW'] === '1';

function say(whose: string, { operations, cases, never }: Report): void {
  console.log(`${whose}: ${operations} operations, ${cases} cases`);
  for (const name of never) console.log(`  never 2xx: ${name}: ${neverGood(name) ?? 'why, is not said'}`);
}

it('our own document says what the server does', { timeout: 240_000 }, async () => {
  await using world = await World.open();
  const { body } = await world.server.call('GET', '/api/docs/openapi.json');
  const document = new Document(body as Record<string, unknown>, () => true);
  const report = await conform(document, world, { wrongs: slow ? 1000 : 4, strict: true, excuse: () => undefined });
  say('our own', report);
  expect(report.faults).toEqual([]);
  expect(report.operations).toBe(world.server.server.routes.length);
  expect(report.never.filter((name) => neverGood(name) === undefined)).toEqual([]);
});

const published = publishedDocument();
it.skipIf(!published)(
  'the published document holds too (skipped without ../shared)',
  { timeout: 240_000 },
  async () => {
    await using world = await World.open();
    const document = new Document(published!, (path) => /^\/api\/(devices|management)\//.test(path));
    const report = await conform(document, world, { wrongs: slow ? 1000 : 2, strict: false, excuse });
    say('published', report);
    expect(report.faults).toEqual([]);
    expect(report.never.filter((name) => neverGood(name) === undefined)).toEqual([]);
  },
);
