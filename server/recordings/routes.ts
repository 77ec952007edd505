import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Type } from 'typebox';
import { Text } from '#proto/http/conventions';
import { RecordingInfo, recordingsPath } from '#proto/http/sessions';
import { HttpError } from '../errors.ts';
import { empty, json, route, type Route } from '../http/route.ts';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { playbackPath } from './playback.ts';
import type { Recordings } from './recordings.ts';

const one = `${recordingsPath}/{id}`;

/** Recordings are evidence: who may read the audit log may see them. */
export function recordingRoutes(recordings: Recordings): Route[] {
  return [
    route(
      {
        method: 'GET',
        path: recordingsPath,
        access: 'audit:read',
        summary: 'Recordings of terminals, newest first',
        query: Type.Object({ ...PageQuery, device: Type.Optional(Text(128)), user: Type.Optional(Text(128)) }),
        responses: { 200: { description: 'recordings', body: Type.Array(RecordingInfo) } },
      },
      async ({ query, req }) => {
        const page = pageOf(query);
        const { list, total } = await recordings.list(query, page.perPage, page.offset);
        return json(200, list, pageHeaders(req.originalUrl, page, { total }));
      },
    ),
    route(
      {
        method: 'GET',
        path: one,
        access: 'audit:read',
        summary: 'A recording, in asciicast 2',
        audit: 'recording_read',
        responses: { 200: { description: 'the recording', type: 'application/x-asciicast' } },
      },
      async (context) => {
        const id = context.params['id'] ?? '';
        context.note({ object: { type: 'recording', id } });
        await recordings.get(id);
        const { res } = context;
        res.status(200).type('application/x-asciicast').attachment(`${id}.cast`);
        const lines = context.req.method === 'HEAD' ? [] : withEnds(recordings.lines(id));
        // A caller who leaves is no fault of ours.
        await pipeline(Readable.from(lines), res).catch(() => res.destroy());
        return 'streamed' as const;
      },
    ),
    route(
      {
        method: 'DELETE',
        path: one,
        access: 'settings:manage',
        summary: 'Remove a recording',
        audit: 'recording_delete',
        responses: { 204: { description: 'removed' } },
      },
      async (context) => {
        const id = context.params['id'] ?? '';
        context.note({ object: { type: 'recording', id } });
        await recordings.remove(id);
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: playbackPath,
        access: 'audit:read',
        summary: 'WebSocket that plays a recording',
        responses: { 101: { description: 'the socket' } },
      },
      () => {
        throw new HttpError('bad_request', 'the client is not using the websocket protocol: upgrade header not found');
      },
    ),
  ];
}

async function* withEnds(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}
