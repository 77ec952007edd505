import { codeOf, messageOf } from '#base/errors';
import type { Deployments, Found } from './deployments.ts';
import type { Inventory } from './inventory/inventory.ts';
import type { Nudges } from './nudges.ts';
import { Retries } from './retries.ts';
import { flatProvides } from './update/journal.ts';
import { resumeDeployment, runDeployment, type Workshop } from './update/update.ts';

export interface PollerOptions {
  readonly workshop: Workshop;
  readonly deployments: Deployments;
  readonly inventory: Inventory;
  readonly nudges: Nudges;
}

/** The daemon's day: idle, then inventory or poll, then a deployment if there is one (`update-client.md` §2.1). */
export class Poller {
  readonly #options: PollerOptions;
  readonly #retries: { readonly poll: Retries; readonly inventory: Retries };
  #due = { poll: 0, inventory: 0 };
  #busy = false;
  constructor(options: PollerOptions) {
    this.#options = options;
    const { config, clock } = options.workshop;
    this.#retries = { poll: new Retries(config, clock), inventory: new Retries(config, clock) };
  }

  /** A token was granted: what the server knows of us may be nothing. Outside of our own calls, tell it at once. */
  granted(): void {
    const { inventory, nudges } = this.#options;
    const known = inventory.accepted;
    inventory.forget();
    if (!known && !this.#busy) nudges.inventory();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { workshop, nudges } = this.#options;
    await this.#guarded('deployment continued', signal, () => resumeDeployment(workshop, signal));
    while (!signal.aborted) {
      await this.#scripts('Idle_Enter', signal);
      await nudges.wait(Math.min(this.#due.inventory, this.#due.poll) - performance.now(), signal);
      const { check, inventory } = nudges.take();
      if (check) this.#due.poll = 0;
      if (inventory) this.#due.inventory = 0;
      if (signal.aborted) return;
      await this.#scripts('Idle_Leave', signal);
      // At start both are due: the server shall know the device before it offers something.
      const task = this.#due.inventory <= performance.now() ? 'inventory' : 'poll';
      this.#busy = true;
      await this.#guarded(task, signal, () =>
        task === 'inventory' ? this.#sendInventory(signal) : this.#poll(signal),
      );
      this.#busy = false;
    }
  }

  async #sendInventory(signal: AbortSignal): Promise<void> {
    const { inventory, workshop } = this.#options;
    await this.#synchronised('inventory', signal, async () => {
      await inventory.send(signal);
    });
    if (inventory.accepted) this.#arm('inventory', workshop.config.InventoryPollIntervalSeconds);
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { inventory, workshop } = this.#options;
    const { config, journal, log } = workshop;
    if (journal.read().standalone) {
      log.warn('no poll: a standalone update waits for commit or rollback');
      return this.#arm('poll', config.UpdatePollIntervalSeconds);
    }
    const found = await this.#synchronised('poll', signal, () => this.#next(signal));
    if (found === false) return;
    this.#arm('poll', config.UpdatePollIntervalSeconds);
    if (!found) {
      if (!inventory.accepted) this.#due.inventory = 0;
      return;
    }
    log.info('deployment found', { id: found.id });
    await this.#guarded('deployment', signal, () => runDeployment(workshop, found, signal));
    this.#due.inventory = 0;
  }

  #next(signal: AbortSignal): Promise<Found | undefined> {
    const { workshop, deployments } = this.#options;
    const provides = { device_type: workshop.deviceType(), ...flatProvides(workshop.journal.read()) };
    return deployments.next(provides, signal);
  }

  /** A task between the Sync scripts. False: it failed, and its retry is armed. */
  async #synchronised<T>(task: 'poll' | 'inventory', signal: AbortSignal, act: () => Promise<T>): Promise<T | false> {
    const { scripts, log } = this.#options.workshop;
    try {
      await scripts.run('Sync_Enter', log, signal);
      const result = await act();
      await scripts.run('Sync_Leave', log, signal);
      this.#retries[task].reset();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      this.#failed(task, error);
      await scripts.run('Sync_Error', log, signal);
      return false;
    }
  }

  #failed(task: 'poll' | 'inventory', error: unknown): void {
    const { config, log, clock } = this.#options.workshop;
    const pending = codeOf(error) === 'unauthorized';
    const interval = task === 'poll' ? config.UpdatePollIntervalSeconds : config.InventoryPollIntervalSeconds;
    // Somebody may be about to accept this device: it goes on asking, where other troubles wait for the normal time.
    const normal = pending ? Math.min(interval, config.RetryPollIntervalSeconds) : interval;
    const wait = this.#retries[task].next(error) ?? normal * clock.second;
    this.#due[task] = performance.now() + wait;
    log[pending ? 'info' : 'error'](`${task} failed`, { error: messageOf(error), retry_s: Math.round(wait / 1000) });
  }

  #arm(task: 'poll' | 'inventory', seconds: number): void {
    this.#due[task] = performance.now() + seconds * this.#options.workshop.clock.second;
  }

  async #scripts(group: 'Idle_Enter' | 'Idle_Leave', signal: AbortSignal): Promise<void> {
    const { scripts, log } = this.#options.workshop;
    await this.#guarded(group, signal, () => scripts.run(group, log, signal, true));
  }

  /** Nothing that a server, an artifact or a disk does may end the daemon. */
  async #guarded(what: string, signal: AbortSignal, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!signal.aborted) this.#options.workshop.log.error(`${what} failed`, { error: messageOf(error) });
    }
  }
}
