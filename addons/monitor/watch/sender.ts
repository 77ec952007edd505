import { secondsToWait } from '#base/retry-after';
import { pause } from '#base/backoff';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Answer, Device } from '#addon/device';
import type { Alert } from '../alert.ts';
import type { Ledger } from './ledger.ts';

export interface SenderOptions {
  readonly device: Pick<Device, 'ask'>;
  readonly ledger: Ledger;
  readonly log: Log;
  readonly path: () => string;
  /** Seconds: the first wait after a failure, and the longest. */
  readonly waits: () => { readonly first: number; readonly longest: number };
  readonly random?: () => number;
}

/** One request holds no more than this. */
const batchCount = 100;
const batchBytes = 512 * 1024;
const patience = 30_000;
/** When it is all to stop, ms; Connect waits for longer. */
const farewell = 1500;

type Outcome = { readonly done: true } | { readonly retryAfter?: number; readonly smaller?: true };

/** Brings the stored alerts to the server, in order. Whatever fails is tried again; what the server calls wrong is not. */
export class Sender {
  readonly #options: SenderOptions;
  #wake = new AbortController();
  #chance = new AbortController();
  #troubled = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** There is something new. */
  nudge(): void {
    this.#wake.abort();
  }

  /** It may work now, whatever failed before. */
  hurry(): void {
    this.#wake.abort();
    this.#chance.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { ledger, waits, random = Math.random } = this.#options;
    let failures = 0;
    let most = batchCount;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      this.#chance = new AbortController();
      if (ledger.size === 0) {
        await pause(0x7fffffff, AbortSignal.any([signal, this.#wake.signal]));
        continue;
      }
      const outcome = await this.#send(most, signal);
      if (signal.aborted) return;
      if ('done' in outcome) {
        failures = 0;
        most = batchCount;
        continue;
      }
      if (outcome.smaller) {
        most = Math.max(1, Math.floor(most / 2));
        continue;
      }
      const { first, longest } = waits();
      const wait = Math.min(longest, first * 2 ** failures) * (0.75 + random() / 2);
      failures += 1;
      // A server that says when is not asked before; else a new link is a good moment.
      const early = outcome.retryAfter === undefined ? AbortSignal.any([signal, this.#chance.signal]) : signal;
      await pause(Math.max(wait, outcome.retryAfter ?? 0) * 1000, early);
    }
  }

  async #send(most: number, signal: AbortSignal): Promise<Outcome> {
    const { ledger } = this.#options;
    const { alerts, last } = ledger.batch(most, batchBytes);
    if (alerts.length === 0) {
      ledger.done(last);
      return { done: true };
    }
    // One that is under way when it is all to stop may still arrive: else it would be sent again at the next start.
    const late = new AbortController();
    const stop = (): void => void setTimeout(() => late.abort(), farewell).unref();
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await this.#post(alerts, last, late.signal);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #post(alerts: readonly Alert[], last: number, signal: AbortSignal): Promise<Outcome> {
    const { device, ledger, log, path } = this.#options;
    let answer: Answer;
    try {
      answer = await device.ask(path(), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(alerts),
        signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
      });
    } catch (error) {
      this.#trouble({ error: messageOf(error) });
      return {};
    }
    const { status } = answer;
    if (answer.ok) {
      ledger.done(last);
      if (this.#troubled) log.info('alerts are sent again', { waiting: ledger.size });
      this.#troubled = false;
      return { done: true };
    }
    if (status === 413 && alerts.length > 1) return { smaller: true };
    if (status === 400 || status === 413 || status === 422) {
      log.error('alerts dropped: the server does not take them', {
        status,
        count: alerts.length,
        alerts: alerts.slice(0, 5).map(({ name, timestamp }) => ({ name, timestamp })),
        answer: answer.text.slice(0, 500),
      });
      ledger.done(last);
      return { done: true };
    }
    const retryAfter = secondsToWait(answer.headers['retry-after']);
    this.#trouble({ status, ...(retryAfter === undefined ? {} : { retryAfter }) });
    return retryAfter === undefined ? {} : { retryAfter };
  }

  #trouble(fields: Readonly<Record<string, unknown>>): void {
    if (!this.#troubled)
      this.#options.log.warn('alerts not sent, they are kept', { ...fields, waiting: this.#options.ledger.size });
    this.#troubled = true;
  }
}
