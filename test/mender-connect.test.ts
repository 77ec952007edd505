// Mender's own Connect daemon, 2.1 as Debian ships it, through our server; and each of the two daemons with the other
// side's partner on the D-Bus.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Device } from '#proto/http/devices';
import { describePeers } from './peers.ts';
import { startBus } from './stage/bus.ts';
import { layDevice, startMender, startMenderConnect } from './stage/mender.ts';
import { Operator } from './stage/operator.ts';
import { startClient, startConnect } from './stage/patchbay.ts';
import { eventually, type Program } from './stage/program.ts';
import { startServer, type Server } from './stage/server.ts';
import { Shell } from './stage/shell.ts';

/** A pairing of an update client with a Connect daemon on one bus; all of them must do the same for a person. */
const pairs = [
  { title: 'mender and mender-connect', mac: '02:00:00:00:21:01', client: 'theirs', connect: 'theirs' },
  { title: "mender-connect on our client's D-Bus", mac: '02:00:00:00:21:02', client: 'ours', connect: 'theirs' },
  { title: "our connect on mender's D-Bus", mac: '02:00:00:00:21:03', client: 'theirs', connect: 'ours' },
] as const;

for (const pair of pairs) {
  await describePeers(pair.title, ['mender-client', 'mender-connect'], () => {
    let folder: string;
    let server: Server;
    let operator: Operator;
    let device: Device;
    let connect: Program;
    const programs: Program[] = [];

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'patchbay-mender-connect-'));
      server = await startServer(folder);
      operator = await Operator.login(server.url, server.user, server.password);
      const bus = await startBus(folder);
      programs.push(bus);
      await layDevice({ folder, mac: pair.mac, type: 'bench', serverUrl: server.url });
      const { address } = bus;
      programs.push(pair.client === 'ours' ? startClient(folder, address) : await startMender(folder, address));
      device = await operator.welcome(pair.mac);
      connect =
        pair.connect === 'ours' ? await startConnect(folder, address) : await startMenderConnect(folder, address);
      programs.push(connect);
      await operator.connected(device.id);
    });

    afterEach(async () => {
      await eventually('no session is left on the server', async () => (await operator.sessions()).length === 0);
    });

    afterAll(async () => {
      for (const program of programs.toReversed()) await program.stop();
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    it('gives a shell of the size that was asked for, which follows a resize and ends', async () => {
      using shell = await Shell.open(operator, device.id, { terminal_width: 90, terminal_height: 25 });
      const reply = await shell.message('the answer to new', ({ hdr }) => hdr.typ === 'new');
      expect(Number(reply.hdr.props?.['status'])).toBe(1);
      shell.type('stty size; echo "and $((6 * 7))"\n');
      await shell.shows(/25 90\s+and 42/);
      shell.send('resize', { terminal_width: 120, terminal_height: 33 });
      shell.type('until stty size | grep -q "33 120"; do sleep 0.1; done; echo "now $((7 * 6))"\n');
      await shell.shows(/now 42/);
      expect(await operator.sessions()).toHaveLength(1);
      shell.send('stop');
      await shell.message('the answer to stop', ({ hdr }) => hdr.typ === 'stop');
      await shell.close();
    });

    it('lets the next one in when a person has just gone away without a word', async () => {
      const gone = await Shell.open(operator, device.id);
      await gone.message('the answer to new', ({ hdr }) => hdr.typ === 'new');
      gone[Symbol.dispose]();
      await eventually('a shell again', async () => {
        using shell = await Shell.open(operator, device.id);
        const reply = await shell.message('the answer to new', ({ hdr }) => hdr.typ === 'new');
        shell.send('stop');
        await shell.close();
        return Number(reply.hdr.props?.['status']) === 1;
      });
    });

    it('comes back by itself when the server was away', async () => {
      await server.restart();
      await operator.connected(device.id, 60_000);
      // mender-connect 2.1 now and then starts a shell that says nothing; the next one does (`connect-protocol.md` §3.3).
      await eventually('a shell that answers', async () => {
        using shell = await Shell.open(operator, device.id);
        shell.type('echo "still $((40 + 2))"\n');
        await shell.shows(/still 42/);
        shell.send('stop');
        await shell.close();
        return true;
      });
    }, 120_000);
  });
}
