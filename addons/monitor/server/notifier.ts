import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '#base/errors';
import type { Host } from './host.ts';
import { type Channels, Refused } from './channels.ts';
import type { Clock } from './clock.ts';
import { usersChannel } from './drafts.ts';
import type { Messages, Waiting } from './messages.ts';
import type { Planner } from './planner.ts';
import type { Settings } from './settings.ts';

/** Looked at without a call, ms: a silence may have ended. */
const interval = 5000;
/** Looked at no more often than this, ms, however much comes. */
const breath = 250;
/** The first pause after a failure, and the longest, ms. */
const firstPause = 5000;
const longestPause = 600_000;
/** A message that could not be handed over for so long is given up, ms. */
const patience = 24 * 3600_000;
/** One that the other end does not want is offered so often. */
const refusals = 5;

export interface NotifierParts {
  readonly host: Host;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly channels: Channels;
  readonly messages: Messages;
  readonly planner: Planner;
}

/** Tells people: plans messages and hands them over, each channel by itself, so that one that is slow holds up no other. */
export class Notifier {
  readonly counts = { sent: 0, failed: 0, retried: 0, dropped: 0 };
  readonly #parts: NotifierParts;
  readonly #busy = new Map<string, Promise<void>>();
  readonly #paused = new Map<string, number>();
  #asked = false;
  #wake: (() => void) | undefined;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
  }

  /** There may be something to tell. */
  wake(): void {
    this.#asked = true;
    this.#wake?.();
  }

  /** Works until the signal; what a stop cuts off is sent by the next start. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, host, planner } = this.#parts;
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    while (!signal.aborted) {
      this.#asked = false;
      let next = clock.now() + interval;
      try {
        const planned = await planner.plan();
        const due = await this.#start(signal);
        next = Math.min(next, planned ?? next, due ?? next);
      } catch (error) {
        if (!signal.aborted) host.log.error('alerts not planned', { error: messageOf(error) });
      }
      await sleep(breath, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted && !this.#asked) await this.#rest(Math.max(0, next - clock.now()));
    }
    await Promise.all(this.#busy.values());
  }

  async #rest(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** Starts the channels that have something due and nothing under way; when the next is due. */
  async #start(signal: AbortSignal): Promise<number | undefined> {
    const { clock, host, messages } = this.#parts;
    let next: number | undefined;
    for (const [channel, due] of await messages.waiting()) {
      if (this.#busy.has(channel)) continue;
      const at = Math.max(due, this.#paused.get(channel) ?? 0);
      if (at > clock.now()) {
        next = Math.min(next ?? at, at);
        continue;
      }
      const work = this.#deliver(channel, signal)
        .catch((error: unknown) => {
          if (!signal.aborted) host.log.error('messages not delivered', { channel, error: messageOf(error) });
        })
        .finally(() => {
          this.#busy.delete(channel);
          this.wake();
        });
      this.#busy.set(channel, work);
    }
    return next;
  }

  async #deliver(channel: string, signal: AbortSignal): Promise<void> {
    const { messages, clock } = this.#parts;
    for (;;) {
      const message = signal.aborted ? undefined : await messages.next(channel);
      if (!message) return;
      try {
        if (!(await this.#send(message))) {
          await messages.over(message, 'dropped', 'it was switched off before this was sent');
          this.counts.dropped++;
          continue;
        }
        await messages.sent(message);
        this.counts.sent++;
        this.#paused.delete(channel);
      } catch (error) {
        // Cut off by the stop: the next start sends it.
        if (signal.aborted) return;
        const pause = await this.#failed(message, error);
        this.#paused.set(channel, clock.now() + pause);
        return;
      }
    }
  }

  /** False: nobody wants it any more. */
  async #send({ id, channel, notice, to }: Waiting): Promise<boolean> {
    const { channels, settings } = this.#parts;
    if (channel === usersChannel) {
      if (!(await settings.get()).email) return false;
      await channels.send({ kind: 'email', target: { to: to ?? [] } }, id, notice);
      return true;
    }
    const known = await channels.find(channel);
    if (!known?.enabled) return false;
    await channels.send(known, id, notice);
    return true;
  }

  /** How long the channel is to rest, ms. */
  async #failed(message: Waiting, error: unknown): Promise<number> {
    const { messages, clock, host } = this.#parts;
    const words = messageOf(error).replaceAll(/\s+/g, ' ').slice(0, 256);
    const { channel, tries } = message;
    const pause = Math.min(longestPause, firstPause * 2 ** tries) * (0.9 + Math.random() * 0.2);
    const refused = isRefusal(error) && tries + 1 >= refusals;
    if (refused || clock.now() - Date.parse(message.created) > patience) {
      await messages.over(message, 'failed', words);
      this.counts.failed++;
      host.log.warn('message given up', { channel, message: message.id, error: words });
      return 0;
    }
    await messages.again(message, words, clock.now() + pause);
    this.counts.retried++;
    host.log.warn('message not delivered', { channel, message: message.id, tries: tries + 1, error: words });
    return pause;
  }
}

/** The other end does not want this, and will not tomorrow. */
function isRefusal(error: unknown): boolean {
  if (error instanceof Refused)
    return error.status >= 300 && error.status < 500 && error.status !== 408 && error.status !== 429;
  const { responseCode } = error as { responseCode?: unknown };
  return typeof responseCode === 'number' && responseCode >= 500 && responseCode < 600;
}
