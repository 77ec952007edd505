import { ReadableStream } from 'node:stream/web';
import { XzReadableStream } from 'xz-decompress';
import { messageOf } from '#base/errors';
import { ArtifactError } from './errors.ts';

/** Decompresses xz; `member` names it in errors. */
export async function* unxz(
  source: AsyncIterable<Uint8Array>,
  member: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const state: { failure?: unknown } = {};
  const iterator = source[Symbol.asyncIterator]();
  const web = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        state.failure = error;
        throw error;
      }
    },
  });
  try {
    yield* new XzReadableStream(web);
  } catch (error) {
    if (state.failure !== undefined) throw state.failure;
    throw new ArtifactError('compression-corrupt', `${member}: does not decompress: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (!(await iterator.next()).done)
    throw new ArtifactError('compression-corrupt', `${member}: data after the end of the compressed stream`);
}
