import { afterAll, beforeAll, expect, it } from 'vitest';
import { stage, type Stage } from '../stage.ts';
import { publishedDocument } from './published.testing.ts';

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

const published = publishedDocument();
it.skipIf(!published)('has every published public operation (skipped without ../shared)', () => {
  // A route of ours with a parameter covers the paths that spell its values out (`limits/storage`).
  const ours = server.server.routes.map(
    ({ spec }) => new RegExp(`^${spec.method} ${spec.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  );
  const wanted = Object.entries(published?.['paths'] as Record<string, object>)
    .filter(([path]) => /^\/api\/(devices|management)\//.test(path))
    .flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '{}')}`),
    );
  const missing = wanted.filter((operation) => !ours.some((route) => route.test(operation)));
  console.log(`${wanted.length - missing.length} of ${wanted.length} published operations`);
  expect(missing).toEqual([]);
  expect(wanted.length).toBeGreaterThan(100);
});
