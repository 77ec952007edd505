// How fast the API takes a 512 MiB artifact; beside it a bare node:http that writes a body to a file while hashing it.
// Both servers in processes of their own, in turns.
import type { ChildProcess } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { once } from 'node:events';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeArtifact } from '#artifact';
import { openStore } from '../server/store/store.ts';
import { Users } from '../server/users/users.ts';
import { median, type Bench } from './row.ts';
import { startSaying } from './load/saying.ts';

const MiB = 1024 * 1024;
const size = 512 * MiB;
const rounds = 5;
const target = 0.7; // design §8
const account = { email: 'bench@example.com', password: 'a password for benches' };

export const run: Bench = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  const children: ChildProcess[] = [];
  try {
    const artifact = await makeArtifact(folder);
    const db = await openStore(folder);
    await new Users(db).create({ ...account, roles: ['admin'] });
    await db.destroy();
    const server = await startSaying(children, [
      'bin/patchbay.js',
      'server',
      '--data',
      folder,
      '--listen',
      '127.0.0.1:0',
    ]);
    const bare = await startSaying(children, ['-e', bareServer, join(folder, 'bare')]);
    const token = await login(server);
    const upload = async (): Promise<number> => {
      const path = '/api/management/v1/deployments/artifacts';
      const { seconds, location } = await send(server + path, artifact, token);
      await fetch(server + location, { method: 'DELETE', headers: { Authorization: `Bearer ${token}` } });
      return size / 1e6 / seconds;
    };
    const plain = async (): Promise<number> => size / 1e6 / (await send(bare, artifact, token)).seconds;
    await upload();
    await plain();
    const ours: number[] = [];
    const other: number[] = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await upload());
      other.push(await plain());
    }
    const [mine, theirs] = [median(ours), median(other)];
    return [
      {
        bench: 'upload',
        case: '512 MiB artifact, uncompressed',
        unit: 'MB/s',
        ours: mine,
        against: 'node:http to a file, hashing',
        other: theirs,
        ratio: mine / theirs,
        target: `≥ ${target}`,
        met: mine / theirs >= target,
      },
    ];
  } finally {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill();
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  }
};

/** Bytes that compress little, and differ. */
async function makeArtifact(folder: string): Promise<string> {
  const path = join(folder, 'x.mender');
  const block = Buffer.allocUnsafe(MiB);
  for (let at = 0, value = 1; at < MiB; at += 4) {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
    block.writeUInt32LE(value, at);
  }
  const content = function* (): Generator<Uint8Array> {
    for (let at = 0; at < size; at += MiB) yield block;
  };
  await writeArtifact(
    {
      name: 'bench-1',
      depends: { device_type: ['qemu'] },
      payload: { type: 'rootfs-image', provides: {}, depends: {}, files: [{ name: 'f', size, modified: 0, content }] },
      compression: 'none',
    },
    path,
  );
  return path;
}

// As durable as ours: it answers after fsync.
const bareServer = `
  const { createHash } = require('node:crypto');
  const { open } = require('node:fs/promises');
  require('node:http').createServer(async (req, res) => {
    const file = await open(process.argv[1], 'w');
    const hash = createHash('sha256');
    for await (const chunk of req) {
      const written = file.write(chunk);
      hash.update(chunk);
      await written;
    }
    await file.sync();
    await file.close();
    res.statusCode = 201;
    res.setHeader('location', hash.digest('hex'));
    res.end();
  }).listen(0, '127.0.0.1', function () { console.error(JSON.stringify({ url: 'http://127.0.0.1:' + this.address().port })); });
`;

async function login(server: string): Promise<string> {
  const basic = Buffer.from(`${account.email}:${account.password}`).toString('base64');
  const path = '/api/management/v1/useradm/auth/login';
  const answer = await fetch(server + path, { method: 'POST', headers: { Authorization: `Basic ${basic}` } });
  if (!answer.ok) throw new Error(`login: ${answer.status}`);
  return answer.text();
}

/** Sends a file as a form; the seconds until the answer. */
async function send(url: string, path: string, token: string): Promise<{ seconds: number; location: string }> {
  const boundary = 'patchbay-bench';
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="artifact"; filename="x.mender"\r\n\r\n`;
  const tail = `\r\n--${boundary}--\r\n`;
  const { size: length } = await stat(path);
  // The page cache is warm: what is measured is the server.
  await (await open(path)).close();
  const begun = performance.now();
  const req = request(url, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': `multipart/form-data; boundary=${boundary}`,
      'Content-Length': head.length + length + tail.length,
    },
  });
  req.write(head);
  for await (const chunk of createReadStream(path, { highWaterMark: MiB }))
    if (!req.write(chunk)) await once(req, 'drain');
  req.end(tail);
  const [answer] = (await once(req, 'response')) as [import('node:http').IncomingMessage];
  answer.resume();
  if (answer.statusCode !== 201) throw new Error(`${url}: ${answer.statusCode}`);
  return { seconds: (performance.now() - begun) / 1000, location: answer.headers.location ?? '' };
}
