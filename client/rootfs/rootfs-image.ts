import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '#base/errors';
import type { Log } from '#base/log';
import type { PayloadFile } from '#artifact';
import type { Config } from '../config.ts';
import { writeDurably } from '#base/durable';
import type { PayloadHandler } from '../update/handler.ts';
import { BootEnvironment, type Variables } from './environment.ts';
import { writeVolume } from './flash-volume.ts';
import { readBack, writeImage } from './image-writer.ts';
import { deviceNumber, partitionsOf, runningPartition, thisSystem, type Partition, type System } from './partitions.ts';

/** The payload type of a root file system. */
export const rootfsType = 'rootfs-image';

export interface RootfsOptions {
  readonly config: Pick<Config, 'RootfsPartA' | 'RootfsPartB' | 'RootfsReadBack'>;
  readonly tree: string;
  /** ms that writing the image may take. */
  readonly timeout: number;
  readonly log: Log;
  readonly system?: System;
}

/**
 * A root file system in two places, of which one runs and the other is written (`update-client.md` §5). The boot loader
 * starts the new one once, on trial; unless it is committed it goes back by itself.
 */
export class RootfsImage implements PayloadHandler {
  readonly #options: RootfsOptions;
  readonly #environment: BootEnvironment;
  readonly #system: System;
  constructor(options: RootfsOptions) {
    this.#options = options;
    this.#environment = new BootEnvironment(options.log);
    this.#system = options.system ?? thisSystem;
  }

  get tree(): string {
    return this.#options.tree;
  }

  check(): void {
    partitionsOf(this.#options.config);
  }

  async receive(files: AsyncIterable<PayloadFile>, signal: AbortSignal): Promise<void> {
    const { passive } = await this.#mayInstall();
    const end = Date.now() + this.#options.timeout;
    const alive = () => {
      signal.throwIfAborted();
      if (Date.now() > end) throw new CodedError('rootfs', `writing the image took longer than ModuleTimeoutSeconds`);
    };
    let image: PayloadFile | undefined;
    for await (const file of files) {
      if (image) throw new CodedError('rootfs', 'the artifact holds more than one image');
      image = file;
      await this.#write(passive, file, alive);
    }
    if (!image) throw new CodedError('rootfs', 'the artifact holds no image');
    // Only now is the checksum known to be right.
    if (this.#options.config.RootfsReadBack && !passive.ubi) {
      await readBack(passive.device, image.size, image.checksum, alive);
      this.#options.log.info('root file system read back', { device: passive.device });
    }
  }

  async call(state: Parameters<PayloadHandler['call']>[0], _signal: AbortSignal): Promise<void> {
    switch (state) {
      case 'ArtifactInstall':
        return this.#install();
      case 'ArtifactVerifyReboot':
        return this.#onTrial();
      case 'ArtifactCommit':
        await this.#onTrial();
        await this.#environment.write({ upgrade_available: '0' });
        return this.#options.log.info('root file system committed');
      case 'ArtifactRollback':
        return this.#rollback();
      case 'ArtifactVerifyRollbackReboot':
        return this.#isBack();
      case 'Cleanup':
        return rmSync(this.tree, { recursive: true, force: true });
      case 'ArtifactReboot': // the system's own reboot does it
      case 'ArtifactRollbackReboot':
      case 'ArtifactFailure': // nothing is left to be done: the running system was never touched
    }
  }

  async ask<const W extends string>(
    query: 'NeedsArtifactReboot' | 'SupportsRollback',
    words: readonly W[],
    _signal: AbortSignal,
  ): Promise<W | undefined> {
    const answer = query === 'SupportsRollback' ? 'Yes' : (await this.#rebootNeeded()) ? 'Automatic' : 'No';
    return words.find((word) => word === answer);
  }

  /** A commit before the new system runs would fail, and so undo what was installed. */
  async readyToCommit(): Promise<void> {
    const variables = await this.#environment.read();
    const running = this.#running();
    if (variables.upgrade_available === '1' && running?.number !== bootPart(variables))
      throw new CodedError(
        'rootfs',
        'the new root file system does not run yet: reboot, then commit (or rollback to give it up)',
      );
  }

  /** The refusals of UC-96: nothing may be written while the boot loader and the running system disagree. */
  async #mayInstall(): Promise<{ active: Partition; passive: Partition }> {
    const [a, b] = partitionsOf(this.#options.config);
    const variables = await this.#environment.read();
    if (variables.mender_check_saveenv_canary === '1' && variables.mender_saveenv_canary !== '1')
      throw new CodedError(
        'rootfs',
        'the boot loader does not read the environment that its tools write (mender_saveenv_canary is not 1): check fw_env.config',
      );
    if (variables.upgrade_available === '1')
      throw new CodedError(
        'rootfs',
        'an installed root file system waits for its commit (upgrade_available is 1): reboot, commit or roll back first',
      );
    const next = bootPart(variables);
    const running = this.#running();
    const active = [a, b].find(({ number }) => number === next);
    if (!active)
      throw new CodedError(
        'rootfs',
        `the boot loader starts partition ${variables.mender_boot_part || '(none)'}, which is neither ${a.device} nor ${b.device}`,
      );
    if (running?.number !== active.number)
      throw new CodedError(
        'rootfs',
        `the running root file system is ${running?.device ?? 'neither of the two'}, but the boot loader starts ${active.device}: reboot first`,
      );
    const passive = active === a ? b : a;
    const target = deviceNumber(passive.device);
    if (target !== undefined && target === deviceNumber(active.device))
      throw new CodedError('rootfs', `${a.device} and ${b.device} are the same device`);
    return { active, passive };
  }

  async #write(passive: Partition, file: PayloadFile, alive: () => void): Promise<void> {
    const { log } = this.#options;
    const begun = performance.now();
    const seconds = () => Math.round((performance.now() - begun) / 100) / 10;
    const { device } = passive;
    log.info('root file system is being written', { device, bytes: file.size });
    if (passive.ubi) {
      await writeVolume(device, file, alive);
      log.info('root file system written', { device, bytes: file.size, seconds: seconds() });
      return;
    }
    if (deviceNumber(device) === undefined)
      throw new CodedError('rootfs', `${device} is no device of this machine: check RootfsPartA and RootfsPartB`);
    const { bytes, same } = await writeImage(device, file, alive);
    log.info('root file system written', { device, bytes, same, seconds: seconds() });
  }

  async #install(): Promise<void> {
    const { active, passive } = await this.#mayInstall();
    // The way back, before the first step away: the boot loader forgets it with the commit.
    writeDurably(this.#oldFile, `${active.number}\n`);
    await this.#environment.write({ ...starts(passive.number), upgrade_available: '1', bootcount: '0' });
    this.#options.log.info('boot loader starts the new root file system next', { device: passive.device });
  }

  /** The new system runs and is not committed yet. */
  async #onTrial(): Promise<void> {
    const variables = await this.#environment.read();
    const running = this.#running();
    if (variables.upgrade_available !== '1')
      throw new CodedError(
        'rootfs',
        'the boot loader has gone back to the old root file system: the new one did not start',
      );
    if (running === undefined || running.number !== bootPart(variables) || running.number === this.#old())
      throw new CodedError('rootfs', `the new root file system does not run, ${running?.device ?? 'another'} does`);
  }

  /** The old system runs and will start again. */
  async #isBack(): Promise<void> {
    const variables = await this.#environment.read();
    const running = this.#running();
    const old = this.#old() ?? bootPart(variables);
    if (variables.upgrade_available === '1')
      throw new CodedError('rootfs', 'the new root file system is still on trial (upgrade_available is 1)');
    if (running?.number !== old || bootPart(variables) !== old)
      throw new CodedError('rootfs', `the old root file system does not run, ${running?.device ?? 'another'} does`);
  }

  /**
   * Makes the old system the one that starts. Which one that is was stored before the first change, so that a rollback
   * after the boot loader's own cannot go forward again; only if that is lost the boot loader must know.
   */
  async #rollback(): Promise<void> {
    const { log } = this.#options;
    const variables = await this.#environment.read();
    const old = this.#old() ?? this.#other(variables);
    if (old === undefined) {
      log.info('boot loader starts the old root file system already');
      return;
    }
    const wanted = { ...starts(old), upgrade_available: '0', bootcount: '0' };
    const there =
      variables.upgrade_available !== '1' && bootPart(variables) === old && variables.mender_boot_part_hex === hex(old);
    if (!there) await this.#environment.write(wanted);
    log.info('boot loader starts the old root file system', { partition: old });
  }

  /** The partition that a trial without a record of ours began from. */
  #other(variables: Variables): number | undefined {
    if (variables.upgrade_available !== '1') return undefined;
    try {
      const both = partitionsOf(this.#options.config);
      const next = bootPart(variables);
      return both.some(({ number }) => number === next)
        ? both.find(({ number }) => number !== next)?.number
        : undefined;
    } catch {
      return undefined; // the boot loader goes back by itself at the next start
    }
  }

  async #rebootNeeded(): Promise<boolean> {
    const variables = await this.#environment.read();
    // After a rollback the old system may be running already: then a restart would be time lost for nothing.
    return variables.upgrade_available === '1' || this.#running()?.number !== bootPart(variables);
  }

  #running(): Partition | undefined {
    return runningPartition(partitionsOf(this.#options.config), this.#system);
  }

  get #oldFile(): string {
    return join(this.tree, 'tmp', 'old-boot-part');
  }

  /** Number of the partition that ran before the update. */
  #old(): number | undefined {
    if (!existsSync(this.#oldFile)) return undefined;
    const text = readFileSync(this.#oldFile, 'utf8').trim();
    return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  }
}

const hex = (number: number): string => number.toString(16);
const starts = (number: number) => ({ mender_boot_part: String(number), mender_boot_part_hex: hex(number) });
/** NaN: nobody knows. */
const bootPart = ({ mender_boot_part: text }: Variables): number =>
  /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
