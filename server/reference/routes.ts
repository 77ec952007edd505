import { json, route, type Route } from '../http/route.ts';
import { openApi } from './openapi.ts';
import { referencePage } from './page.ts';

/** The API's own description: a page to read and the OpenAPI document. Made once, of all routes. */
export function referenceRoutes(routes: () => readonly Route[], version: string): Route[] {
  let document: Record<string, unknown> | undefined;
  const made = (): Record<string, unknown> => (document ??= openApi(routes(), version));
  return [
    route(
      {
        method: 'GET',
        path: '/api/docs/openapi.json',
        access: 'public',
        summary: 'This API as OpenAPI 3.1',
        responses: { 200: { description: 'the document' } },
      },
      () => json(200, made()),
    ),
    route(
      {
        method: 'GET',
        path: '/api/docs',
        access: 'public',
        summary: 'This API as a page',
        responses: { 200: { description: 'the page', type: 'text/html' } },
      },
      () => ({
        status: 200,
        body: referencePage(made()),
        type: 'text/html',
        headers: { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'" },
      }),
    ),
  ];
}
