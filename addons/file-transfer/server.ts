import { basename } from 'node:path';
import { Type } from 'typebox';
import { codeOf, messageOf } from '#base/errors';
import { defineServer, type ServerHalf, type ServerHost, type ServerReply, type ServerRequest } from '#addon/server';
import { sendAttachment } from './attachment.ts';
import manifest from './manifest.ts';
import { readForm, uploadLimit } from './form.ts';
import { Refusal } from './refusal.ts';
import { Remote } from './remote.ts';

const devices = '/api/management/v1/deviceconnect/devices/{id}';
/** For each step of the device, ms (§5.5). */
const stepTime = 60_000;

/** `limit`: of an upload, bytes; for tests another than the reference's. */
export function files(host: ServerHost<typeof manifest>, limit = uploadLimit): ServerHalf {
  /** Runs `work` with the device's files; gives back what went wrong as the answer that clients know. */
  async function withFiles(
    request: ServerRequest,
    path: string,
    work: (remote: Remote) => Promise<ServerReply>,
    otherwise: number,
  ): Promise<ServerReply> {
    const id = request.params['id'] ?? '';
    request.note({ object: { type: 'device', id }, details: { path } });
    let session: Awaited<ReturnType<typeof host.openSession>> | undefined;
    try {
      session = await host.openSession(id, request);
      return await work(new Remote(session, stepTime));
    } catch (error) {
      if (request.res.headersSent) throw error;
      return failure(request, ...statusOf(error, otherwise));
    } finally {
      session?.close();
    }
  }

  async function download(request: ServerRequest): Promise<ServerReply> {
    const { path } = request.query as { path?: string };
    if (!path?.startsWith('/')) return failure(request, 400, 'path: must be absolute.');
    return await withFiles(request, path, (remote) => sendAttachment(request, remote, path), 500);
  }

  return {
    routes: [
      {
        method: 'GET',
        path: `${devices}/download`,
        access: 'sessions:transfer',
        confined: 'device',
        summary: 'Download a file from a device',
        audit: 'file_download',
        query: Type.Object({ path: Type.Optional(Type.String({ maxLength: 4096 })) }),
        responses: {
          200: { description: 'the file' },
          206: { description: 'the part that `Range` asks for' },
          416: { description: 'the file is not so long' },
        },
        handler: download,
      },
      {
        method: 'PUT',
        path: `${devices}/upload`,
        access: 'sessions:transfer',
        confined: 'device',
        summary: 'Upload a file to a device: a form with path, uid, gid, mode (octal), and file as the last field',
        audit: 'file_upload',
        streams: true,
        responses: {
          201: { description: 'the file is in its place' },
          408: { description: 'the device does not answer' },
          413: { description: 'the file is larger than 1 GiB' },
        },
        async handler(request) {
          // Before anything is known of the file: whatever refuses it is in the log under its device.
          request.note({ object: { type: 'device', id: request.params['id'] ?? '' } });
          const form = await readForm(request.req, limit);
          if ('error' in form) return failure(request, form.status, form.error);
          const { file, fields } = form;
          const put = { ...fields, src_path: basename(form.filename) };
          const reply = await withFiles(
            request,
            fields.path,
            async (remote) => {
              await remote.write(put, () => file);
              return { status: 201 };
            },
            400,
          );
          form.discard();
          return reply;
        },
      },
    ],
  };
}

/** Files of a device over HTTP, for browsers and scripts (`connect-protocol.md` §5.5). */
export default defineServer(manifest, (host) => files(host));

function statusOf(error: unknown, otherwise: number): [number, string] {
  if (error instanceof Refusal) return [allowed(error.status) ?? otherwise, error.message];
  switch (codeOf(error)) {
    case 'conflict':
      return [409, messageOf(error)];
    case 'timeout':
      return [408, 'file transfer timed out'];
    case 'not_offered':
      return [502, 'file transfer disabled on device'];
    case 'too_large':
      return [413, messageOf(error)];
    case 'bad_request':
      return [400, messageOf(error)];
    default:
      return [500, messageOf(error)];
  }
}

const allowed = (status: number | undefined): number | undefined =>
  status !== undefined && status >= 400 && status <= 599 ? status : undefined;

/** What was not read of the body would be taken for the next request of this connection. */
const failure = ({ req, requestId }: ServerRequest, status: number, error: string): ServerReply => ({
  status,
  body: { error, request_id: requestId },
  ...(req.complete ? {} : { headers: { Connection: 'close' } }),
});
