// Inventory and identity scripts, ours and those of Debian's mender-client: what a server hears of a device.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectAttributes } from '../client/inventory/attributes.ts';
import { RigLog } from '../client/rig/log.ts';
import { describeWhere, mountsMissing } from '#base/where.testing';
import { describePeers } from './peers.ts';

const share = join(import.meta.dirname, '..', 'client', 'share');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patchbay-scripts-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

await describePeers('what a device says of itself', ['mender-client'], (peer) => {
  const examples = join(peer, 'usr', 'share', 'doc', 'mender-client', 'examples');
  const scripts = (origin: string) => (origin === 'ours' ? join(share, 'inventory') : examples);
  const identity = (origin: string) =>
    origin === 'ours' ? join(share, 'identity', 'mender-device-identity') : join(examples, 'mender-device-identity');

  it.each(['ours', "Mender's"])('by %s scripts: all of it as the machine is', async (origin) => {
    const log = new RigLog();
    const own = join(folder, 'inventory');
    // Mender's asks somebody on the internet where it is.
    cpSync(scripts(origin), own, { recursive: true, filter: (file) => !file.endsWith('-geo') });
    const found = await collectAttributes(own, { artifact_name: 'release-1' }, log, new AbortController().signal);
    const said = Object.fromEntries(found.map(({ name, value }) => [name, value]));
    expect(said['kernel']).toBe(readFileSync('/proc/version', 'utf8').trim());
    expect(said['mem_total_kB']).toBe(/^MemTotal:\s*(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]);
    expect(said['cpu_model']).toEqual(expect.any(String));
    expect(said['os']).toBe(/^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]);
    const root = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.split(' ')[1] === '/');
    expect(said['rootfs_type']).toBe(root.at(-1)?.split(' ')[2]);
    expect(said).toHaveProperty('mender_bootloader_integration');
    expect(said['artifact_name']).toBe('release-1');
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      const first = addresses?.[0];
      if (!first || first.internal || /^(veth|docker|br-)/.test(name)) continue;
      expect([said['network_interfaces']].flat()).toContain(name);
      expect(said[`mac_${name}`]).toBe(first.mac);
      if (first.family === 'IPv4') expect([said[`ipv4_${name}`]].flat()).toContain(first.cidr);
    }
    if (origin !== 'ours') return;
    expect(said['hostname']).toBe(hostname());
    expect(log.text()).toMatch(/^(warn inventory script skipped .*intervals.*)?$/); // there may be no configuration here
  });

  describe('how often it asks, from its main configuration', () => {
    const intervals = (conf?: string) => {
      if (conf !== undefined) writeFileSync(join(folder, 'mender.conf'), conf);
      const file = join(share, 'inventory', 'mender-inventory-intervals');
      return spawnSync(file, { encoding: 'utf8', env: { ...process.env, MENDER_CONF_DIR: folder } });
    };
    const settings = { ServerURL: 'https://x', UpdatePollIntervalSeconds: 5, InventoryPollIntervalSeconds: 60 };
    const all = { ...settings, RetryPollIntervalSeconds: 7, RetryPollCount: 0 };

    it.each([0, 2])('written with %i blanks', (blanks) => {
      expect(intervals(JSON.stringify(all, null, blanks)).stdout).toBe(
        'interval-update-poll-seconds=5\ninterval-inventory-poll-seconds=60\ninterval-retry-poll-seconds=7\ninterval-retry-poll-count=0\n',
      );
    });

    it('what is not set is not said; without a configuration it fails', () => {
      expect(intervals(JSON.stringify(settings)).stdout).not.toContain('retry');
      rmSync(join(folder, 'mender.conf'));
      expect(intervals()).toMatchObject({ status: 1, stdout: '' });
    });
  });

  describeWhere('on a machine of another make', mountsMissing(), () => {
    /** Runs a script where some folders of /sys are others. */
    const inside = (script: string, lay: string, env: NodeJS.ProcessEnv = {}): string => {
      const command = ['-m', 'sh', '-ec', `${lay}\nexec "$0"`, script];
      return spawnSync('unshare', command, { encoding: 'utf8', env: { ...process.env, ...env } }).stdout;
    };
    const card = (name: string, index: number, type = 1) =>
      `mkdir ${name}; echo ${index} >${name}/ifindex; echo ${type} >${name}/type; echo 02:00:00:00:00:0${index} >${name}/address`;
    const cards = (...each: string[]) => ['mount -t tmpfs net /sys/class/net; cd /sys/class/net', ...each].join('\n');

    it.each(['ours', "Mender's"])('%s identity is that of the first Ethernet card, not of a dummy', (origin) => {
      const lay = cards(card('lo', 1, 772), card('dummy0', 2), card('wlan0', 5), card('eth0', 4), card('can0', 3, 280));
      expect(inside(identity(origin), lay)).toBe('mac=02:00:00:00:00:04\n');
      expect(inside(identity(origin), cards(card('lo', 1, 772)))).toBe('');
    });

    it.each(['ours', "Mender's"])('%s inventory has the cards of containers only where that is wanted', (origin) => {
      const script = join(scripts(origin), 'mender-inventory-network');
      const lay = cards(card('lo', 1), card('eth0', 2), card('docker0', 3), card('br-1f', 4), card('veth9', 5));
      const names = (env?: NodeJS.ProcessEnv) =>
        new Set([...inside(script, lay, env).matchAll(/^network_interfaces=(.*)$/gm)].map(([, name]) => name));
      expect(names()).toEqual(new Set(['eth0']));
      expect(names({ INCLUDE_DOCKER_INTERFACES: 'true' })).toEqual(new Set(['br-1f', 'docker0', 'eth0', 'veth9']));
    });

    it('how it is started: by the tools that there are, and its firmware', () => {
      const script = join(share, 'inventory', 'mender-inventory-bootloader-integration');
      const started = (tool: string | undefined, efi: boolean): string => {
        const bin = join(folder, 'bin');
        rmSync(bin, { recursive: true, force: true });
        mkdirSync(bin);
        for (const name of ['sh', 'uname', 'mount', 'mkdir', 'unshare'])
          cpSync(['/usr/bin', '/bin'].map((place) => join(place, name)).find(existsSync)!, join(bin, name));
        if (tool) writeFileSync(join(bin, tool), '', { mode: 0o755 });
        const lay = `mount -t tmpfs firmware /sys/firmware${efi ? '; mkdir /sys/firmware/efi' : ''}`;
        return inside(script, lay, { PATH: bin }).trim().replace('mender_bootloader_integration=', '');
      };
      const pc = arch() === 'x64';
      expect(started(undefined, true)).toBe('unknown');
      expect(started('fw_printenv', true)).toBe('uboot');
      expect(started('grub-mender-grubenv-print', true)).toBe(pc ? 'uefi_grub' : 'uboot_uefi_grub');
      expect(started('grub-mender-grubenv-print', false)).toBe(pc ? 'bios_grub' : 'unknown_grub');
    });
  });
});
