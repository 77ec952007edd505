import { Backoff, pause } from '#base/backoff';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { CliHost, NamedDevice } from '#addon/cli';
import type manifest from './manifest.ts';
import { Remote } from './remote.ts';
import { Refusal } from './refusal.ts';

type Host = CliHost<typeof manifest>;

/** For a device to come back, ms. */
const patience = 10 * 60_000;

/** The files of a device, through sessions that are opened again when one is lost. */
export class Connection {
  readonly #host: Host;
  readonly #device: NamedDevice;
  readonly #say: (line: string) => void;
  #session: Awaited<ReturnType<Host['openSession']>> | undefined;
  #remote: Remote | undefined;

  constructor(host: Host, device: NamedDevice, say: (line: string) => void) {
    this.#host = host;
    this.#device = device;
    this.#say = say;
    host.signal.addEventListener('abort', () => this.close());
  }

  /** Does something with the files, again from its beginning as long as it is only the link that fails. */
  async use<T>(work: (remote: Remote) => Promise<T>): Promise<T> {
    const backoff = new Backoff({ first: 500, ceiling: 10_000 });
    for (let end: number | undefined; ;) {
      try {
        const remote = await this.#open();
        const begun = performance.now();
        try {
          return await work(remote);
        } catch (error) {
          // Where it went on for a while the patience begins again.
          if (performance.now() - begun > 5000) end = undefined;
          throw error;
        }
      } catch (error) {
        if (this.#host.signal.aborted) throw new CodedError('interrupted', 'interrupted', { cause: error });
        // After the device's refusal the session is as good as before; after anything else it may be in the middle.
        if (!(error instanceof Refusal)) this.close();
        const retried = end !== undefined;
        if (!mayComeBack(error, retried)) throw this.#told(error);
        end ??= performance.now() + patience;
        if (!retried) this.#say(`${messageOf(error)}; trying again`);
        if (performance.now() > end || !(await pause(backoff.next(), this.#host.signal))) throw this.#told(error);
      }
    }
  }

  close(): void {
    this.#session?.close();
    this.#session = this.#remote = undefined;
  }

  async #open(): Promise<Remote> {
    if (this.#session?.signal.aborted) this.close();
    this.#session ??= await this.#host.openSession(this.#device.id);
    return (this.#remote ??= new Remote(this.#session));
  }

  #told(error: unknown): unknown {
    const about = error instanceof Refusal || ['refused', 'not_offered', 'device'].includes(codeOf(error) ?? '');
    return about ? new CodedError('failed', `${this.#device.name}: ${messageOf(error)}`, { cause: error }) : error;
  }
}

/** `retried`: it worked before, so a device that is away now is on its way back. */
function mayComeBack(error: unknown, retried: boolean): boolean {
  if (error instanceof Refusal) return false;
  const code = codeOf(error);
  if (retried && code === 'not_found') return true;
  return code === 'connection'
    ? retried || /lost/.test(messageOf(error))
    : /disconnected$|stopping/.test(messageOf(error)) && code === 'device';
}
