import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stage, type Stage } from '../stage.ts';

let server: Stage;
beforeAll(async () => {
  server = await stage();
});
afterAll(() => server.close());

it('the OpenAPI document has every route, with its permission', async () => {
  const { body } = await server.call('GET', '/api/docs/openapi.json');
  const { paths } = body as { paths: Record<string, Record<string, { 'x-permission': string; operationId: string }>> };
  const ids = new Set<string>();
  for (const { spec } of server.server.routes) {
    const operation = paths[spec.path]?.[spec.method.toLowerCase()];
    expect(operation, `${spec.method} ${spec.path}`).toMatchObject({ 'x-permission': spec.access });
    ids.add(operation!.operationId);
  }
  expect(ids.size).toBe(server.server.routes.length);
});

it('the page lists them for people, and runs no script', async () => {
  const { text, headers } = await server.call('GET', '/api/docs');
  expect(headers.get('content-type')).toMatch(/^text\/html/);
  expect(text).toContain('/api/management/v2/devauth/devices');
  expect(text).not.toContain('<script');
});

const spec = new URL('../../../shared/spec/openapi.yaml', import.meta.url);
const published = ((): string | undefined => {
  try {
    return readFileSync(spec, 'utf8');
  } catch {
    return undefined;
  }
})();
it.skipIf(!published)('tells how many of the published public operations there are (skipped without ../shared)', () => {
  const ours = new Set(
    server.server.routes.map(({ spec }) => `${spec.method} ${spec.path.replaceAll(/\{\w+\}/g, '{}')}`),
  );
  const wanted: string[] = [];
  let path = '';
  for (const line of (published ?? '').split('\n')) {
    const found = /^ {2}['"]?(\/[^'":]*)['"]?:/.exec(line);
    if (found) path = found[1]!;
    const method = /^ {4}(get|put|post|delete|patch):/.exec(line);
    if (method && /^\/api\/(devices|management)\//.test(path))
      wanted.push(`${method[1]!.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '{}')}`);
  }
  const missing = wanted.filter((operation) => !ours.has(operation));
  console.log(`${wanted.length - missing.length} of ${wanted.length} published operations`);
  expect(wanted.length).toBeGreaterThan(100);
});
