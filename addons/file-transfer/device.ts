import { open, stat } from 'node:fs/promises';
import { messageOf } from '#base/errors';
import { Flight } from '#base/flight';
import { defineDevice } from '#addon/device';
import { askedTerms, grant, largeChunk, type Room } from '#proto';
import { Download } from './download.ts';
import { list, makeFolder } from './folder.ts';
import { goError } from './go-error.ts';
import { Limits } from './limits.ts';
import manifest from './manifest.ts';
import { goMode } from './mode.ts';
import { freshPartial, namedPartial, sumOf } from './partial.ts';
import { offsetOf, stockWindow, type Message, type PutFile, type Request } from './protocol.ts';
import { Refusal } from './refusal.ts';
import { targetOf } from './target.ts';
import { Upload } from './upload.ts';

type Info = Extract<Message, { typ: 'file_info' }>;

/** What a peer of ours may have under way to the device, bytes. */
const uploadWindow = 4 * 1024 * 1024;

/** One transfer at a time in each session; what the device's owner allows counts over all of them. */
export default defineDevice(manifest, (device, config) => {
  if (config.Disable) return {};
  const limits = new Limits(config.Limits);

  return {
    refuse: (typ, why) =>
      failure(
        typ,
        why.code === 'unknown_message'
          ? `session: filetransfer message type '${typ}' not supported`
          : `malformed request parameters: ${why.message}`,
      ),

    async serve(session) {
      let current: Download | Upload | undefined;
      const flight = new Flight(stockWindow);
      const running = new Set<Promise<void>>();
      try {
        for await (const message of session) await handle(message);
      } finally {
        if (current instanceof Upload) current.abort('lost');
        else current?.abort();
        await Promise.all(running);
      }

      async function handle(message: Message): Promise<void> {
        switch (message.typ) {
          case 'file_chunk':
            if (current instanceof Upload) current.take(message);
            else unexpected(message);
            break;
          case 'ack':
            acknowledge(message);
            break;
          case 'error':
            drop();
            break;
          case 'stat':
          case 'get_file':
          case 'put_file':
          case 'list':
          case 'make_folder':
          case 'checksum':
            await attempt(message, () => serveRequest(message));
            break;
          default:
            fail(message, `session: filetransfer message type '${message.typ}' not supported`);
        }
      }

      async function serveRequest(request: Request): Promise<void> {
        const { path } = request.body;
        if (!path) throw new Refusal('invalid request parameters: path: cannot be blank.');
        switch (request.typ) {
          case 'stat':
            await limits.look(path);
            session.send(await info(path, grantFor(request)));
            break;
          case 'get_file':
            claim();
            begin(
              request,
              await Download.open({ path, ...downloadTerms(request), flight, limits, wire: session, over }),
            );
            break;
          case 'put_file':
            claim();
            begin(request, await upload(request, path));
            break;
          case 'list':
            await limits.look(path);
            await list(path, async (message) => {
              if (!session.send(message)) await session.drained();
            });
            break;
          case 'make_folder': {
            const { mode, uid, gid } = request.body;
            const fate = { mode: mode ?? 0o755, uid: uid ?? undefined, gid: gid ?? undefined };
            await makeFolder(path, await limits.put(path, undefined, fate));
            session.send(await info(path, grantFor(request)));
            break;
          }
          case 'checksum':
            await limits.look(path);
            // It may take its time, and other messages are not to wait for it.
            background(request, () => sum(path, request.body.size ?? Number.MAX_SAFE_INTEGER));
            break;
        }
      }

      function claim(): void {
        if (current) throw new Refusal('another file transfer is in progress');
      }

      function begin(request: Request, transfer: Download | Upload): void {
        current = transfer;
        device.log.info('transfer', { typ: request.typ, path: request.body.path, user: session.userId });
        background(request, async () => {
          try {
            await transfer.run();
          } finally {
            if (current === transfer) current = undefined;
          }
        });
      }

      function over(): void {
        current = undefined;
      }

      /** Another may begin at once; what this one had is put away meanwhile. */
      function drop(): void {
        if (current instanceof Upload) current.abort('refused');
        else current?.abort();
        current = undefined;
      }

      async function upload(request: PutFile, asked: string): Promise<Upload> {
        const terms = granted(request);
        const target = await targetOf(request.body, asked, limits);
        const name = terms && request.body.upload;
        const partial = await (name ? namedPartial(target.path, name) : freshPartial(target.path));
        return new Upload({ target, partial, terms, kept: name !== undefined, limits, wire: session, over });
      }

      async function sum(path: string, size: number): Promise<void> {
        const file = await open(path).catch((error: unknown) => {
          throw new Refusal(`failed to open file for reading: ${goError('open', path, error)}`);
        });
        try {
          const length = Math.min(size, (await file.stat()).size);
          session.send({ typ: 'sum', body: { size: length, sha256: await sumOf(file, length) } });
        } finally {
          await file.close();
        }
      }

      function acknowledge(message: Extract<Message, { typ: 'ack' }>): void {
        if (!(current instanceof Download)) return unexpected(message);
        const offset = offsetOf(message.props);
        if (typeof offset === 'number') return current.acknowledge(offset);
        drop();
        fail(
          message,
          offset === undefined
            ? 'ack message: offset property cannot be blank'
            : 'invalid offset data type: require int64',
        );
      }

      /** A message of the other direction ends what is under way. */
      function unexpected(message: Message): void {
        if (!current) return fail(message, 'no file transfer in progress');
        const uploading = current instanceof Upload;
        drop();
        if (uploading) fail(message, `received unexpected message type '${message.typ}' during file upload`);
        else fail(message, `received unexpected message type '${message.typ}'; expected 'ack'`);
      }

      function background(request: Request, act: () => Promise<void>): void {
        const work = attempt(request, act).finally(() => running.delete(work));
        running.add(work);
      }

      async function attempt(request: Request, act: () => Promise<void>): Promise<void> {
        try {
          await act();
        } catch (error) {
          device.log.info('transfer refused', { typ: request.typ, path: request.body.path, error: messageOf(error) });
          if (!(error instanceof Refusal)) return fail(request, messageOf(error));
          // Uploads are answered with 400 whatever the reason (§5.5).
          const code = request.typ === 'get_file' && error.message.startsWith('access denied') ? 403 : undefined;
          fail(request, error.message, code);
        }
      }

      function fail(message: Message, err: string, code?: number): void {
        const {
          offset,
          window: _,
          chunk: __,
          prompt: ___,
          ...props
        } = (message as { props?: Record<string, unknown> }).props ?? {};
        const answer = failure(message.typ, err, code);
        session.send({
          ...answer,
          props: { ...props, ...(offset === undefined ? {} : { offset }), ...grantFor(message) },
        } as Message);
      }
    },
  };
});

async function info(path: string, props: Info['props']): Promise<Info> {
  try {
    const stats = await stat(path);
    const { size, uid, gid, mtime: modtime } = stats;
    return { typ: 'file_info', props, body: { path, size, uid, gid, mode: goMode(stats), modtime } };
  } catch (error) {
    throw new Refusal(`failed to get file info from path '${path}': ${goError('stat', path, error)}`);
  }
}

/** What an uploader of ours is granted. */
function granted(message: Message): Room | undefined {
  const peer = 'props' in message ? askedTerms(message.props as { window?: number; chunk?: number }) : undefined;
  return peer && { window: Math.min(peer.window, uploadWindow), chunk: Math.min(peer.chunk, largeChunk, uploadWindow) };
}

function grantFor(message: Message): Info['props'] {
  const terms = granted(message);
  return terms ? grant(terms) : {};
}

const downloadTerms = ({ props, body }: Extract<Message, { typ: 'get_file' }>) => ({
  terms: askedTerms(props),
  offset: body.offset ?? 0,
});

const failure = (typ: string, err: string, code?: number): Message => ({
  typ: 'error',
  props: {},
  body: { err, ...(typ ? { msgtype: typ } : {}), ...(code === undefined ? {} : { code }) },
});
