import type { ServerRoute } from '#addon/server';
import { base } from './answers.ts';
import { Keys, Schema } from './keys.ts';
import type { Settings } from './settings.ts';

/** What settings there may be. */
export function schemaRoutes(settings: Settings): ServerRoute[] {
  return [
    {
      method: 'GET',
      path: `${base}/schema`,
      access: 'devices:configure',
      // Of no device: words that whoever sets anything needs.
      confined: 'handler',
      summary: 'What settings there may be',
      responses: { 200: { description: 'a JSON Schema', body: Schema } },
      handler: async () => ({ status: 200, body: (await settings.keys()).schema }),
    },
    {
      method: 'PUT',
      path: `${base}/schema`,
      // Whoever says what is secret says who sees it.
      access: 'settings:manage',
      summary: 'Say what settings there may be: type, limits, and which are secret; what was set before may stay',
      audit: 'set_configuration_schema',
      body: Schema,
      responses: { 204: { description: 'stored' }, 400: { description: 'no such schema' } },
      async handler(request) {
        const schema = request.body as Schema;
        new Keys(schema).check({}); // throws for one that means nothing
        const revision = await settings.store.setSchema(schema, request.userName);
        const details = { settings: Object.keys(schema.properties).length, revision };
        request.note({ object: { type: 'configuration_schema', id: 'schema' }, details });
        return { status: 204 };
      },
    },
  ];
}
