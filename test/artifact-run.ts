// `patchbay artifact` in this process, which is much faster to start than one of its own.
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { run } from '../cli/artifact/program.ts';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function patchbayArtifact(...args: string[]): Promise<Outcome> {
  const [out, diagnostics] = [new PassThrough(), new PassThrough()];
  const written = Promise.all([text(out), text(diagnostics)]);
  const terminal = { input: Readable.from([]), out, diagnostics };
  const code = await run(args, { terminal, environment: {}, signal: new AbortController().signal });
  out.end();
  diagnostics.end();
  const [said, complained] = await written;
  return { code, out: said, err: complained };
}
