// Files and ports of devices, in the pairings of our programs with Mender's.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AuditEntry } from '#proto/http/users';
import { describePeers, peerEnvironment } from './peers.ts';
import { eventually } from './stage/program.ts';
import { Rig } from './stage/rig.ts';
import { launcher } from './stage/server.ts';
import { startSshd } from './stage/sshd.ts';

const run = promisify(execFile);

await describePeers('files and ports', ['mender-cli', 'mender-connect', 'openssh-server', 'rsync'], (...roots) => {
  const [menderCli, , , rsyncRoot] = roots;
  let rig: Rig;
  let ours: string;
  let stock: string;
  let env: NodeJS.ProcessEnv;
  let echo: Server;
  let echoPort: number;
  const content = randomBytes(1_000_003);
  const at = (...names: string[]) => join(rig.folder, ...names);
  const mender = join(menderCli ?? '', 'usr', 'bin', 'mender-cli');
  const cli = (...args: string[]) =>
    run(mender, ['--server', rig.server.url, '--token-value', rig.operator.token, ...args], { env });

  beforeAll(async () => {
    rig = await Rig.start('files');
    env = { ...process.env, ...(await peerEnvironment('mender-cli')), HOME: rig.folder };
    const devices = await Promise.all([rig.device('patchbay'), rig.device('mender')]);
    [ours, stock] = [devices[0].id, devices[1].id];
    await writeFile(at('content'), content, { mode: 0o640 });
    await chmod(at('content'), 0o640);
    echo = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
      socket.on('data', (bytes: Buffer) => void (bytes.toString() === 'hang up' && socket.end()));
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    echoPort = (echo.address() as AddressInfo).port;
  }, 120_000);

  afterAll(async () => {
    echo?.close();
    await rig?.[Symbol.asyncDispose]();
  });

  const each = it.each(['ours', 'stock'] as const);
  const id = (which: 'ours' | 'stock') => (which === 'ours' ? ours : stock);

  each('H-74 FT-22 mender-cli copies both ways, device %s', async (which) => {
    await cli('cp', at('content'), `${id(which)}:${at(`up-${which}`)}`);
    expect((await readFile(at(`up-${which}`))).equals(content)).toBe(true);
    await cli('cp', `${id(which)}:${at('content')}`, at(`down-${which}`));
    expect((await readFile(at(`down-${which}`))).equals(content)).toBe(true);
  });

  each('patchbay cp copies both ways, device %s', async (which) => {
    await utimes(at('content'), 1_700_000_000, 1_700_000_000);
    const up = await rig.run(['cp', at('content'), `${id(which)}:${at(`our-up-${which}`)}`]);
    expect(up).toMatchObject({ code: 0, err: '' });
    expect((await readFile(at(`our-up-${which}`))).equals(content)).toBe(true);
    expect((await stat(at(`our-up-${which}`))).mode & 0o777).toBe(0o640);
    const down = await rig.run(['cp', `${id(which)}:${at('content')}`, at(`our-down-${which}`)]);
    expect(down).toMatchObject({ code: 0, err: '' });
    expect((await readFile(at(`our-down-${which}`))).equals(content)).toBe(true);
    const got = await stat(at(`our-down-${which}`));
    expect([got.mode & 0o777, got.mtimeMs]).toEqual([0o640, 1_700_000_000_000]);
  });

  each('patchbay cp reads and writes pipes, device %s', async (which) => {
    const up = await rig.run(['cp', '-', `${id(which)}:${at(`piped-${which}`)}`], content);
    expect(up).toMatchObject({ code: 0, err: '' });
    const down = await rig.run(['cp', `${id(which)}:${at(`piped-${which}`)}`, '-']);
    expect(down.out.equals(content)).toBe(true);
  });

  it('patchbay cp -r copies folders both ways, and says why a stock device cannot', async () => {
    await mkdir(at('tree/inner/empty'), { recursive: true });
    await writeFile(at('tree/inner/file'), 'deep');
    await writeFile(at('tree/top'), '');
    await symlink(at('content'), at('tree/link'));
    await mkdir(at('to'));
    expect(await rig.run(['cp', '-r', at('tree'), `${ours}:${at('to')}`])).toMatchObject({ code: 0, err: '' });
    expect(await rig.run(['cp', '-r', `${ours}:${at('to/tree')}`, at('back')])).toMatchObject({ code: 0, err: '' });
    expect((await readdir(at('back'), { recursive: true })).sort()).toEqual(
      ['inner', 'inner/empty', 'inner/file', 'link', 'top'].sort(),
    );
    expect(await readFile(at('back/inner/file'), 'utf8')).toBe('deep');
    expect((await readFile(at('back/link'))).equals(content)).toBe(true);
    const refused = await rig.run(['cp', '-r', `${stock}:${at('tree')}`, at('nothing')]);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain("this device's Connect daemon is not Patchbay's and cannot list folders");
  });

  it('what goes wrong is told in one line', async () => {
    const says = async (...args: string[]) => {
      const { code, err } = await rig.run(args);
      return `${code} ${err.trim()}`;
    };
    expect(await says('cp', `${ours}:/nowhere/f`, at('x'))).toMatch(
      /^1 error: .*\/nowhere\/f.*: no such file or directory$/,
    );
    expect(await says('cp', at('content'), `${ours}:/nowhere/f`)).toMatch(/^1 error: .*there is no folder \/nowhere/);
    expect(await says('cp', `${ours}:${rig.folder}`, at('x'))).toMatch(/^1 error: .* is a folder: add -r/);
    expect(await says('cp', 'nobody:/f', at('x'))).toMatch(/^1 error: no device is called 'nobody'/);
    expect(await says('cp', 'raspi:f', at('x'))).toMatch(/^2 error: .*a path on a device is absolute/);
    expect(await says('forward', ours, 'x:y')).toMatch(/^2 error: 'x:y' is no port to forward/);
    expect(await says('forward', ours, `${echoPort}:1`, `${echoPort}:2`)).toMatch(
      /^1 .*something listens there already/s,
    );
  });

  /** Runs until it has said something, and gives back how to end it. */
  async function start(
    command: string,
    args: string[],
    pattern: RegExp,
  ): Promise<{ child: ChildProcess; match: RegExpExecArray }> {
    const child = spawn(command, args, { env: { ...rig.env, ...env, ...rig.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const said: string[] = [];
    const found = Promise.withResolvers<RegExpExecArray>();
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        said.push(line);
        const match = pattern.exec(line);
        if (match) found.resolve(match);
      });
    child.once('exit', (code) => found.reject(new Error(`ended with ${code}: ${said.join('\n')}`)));
    return { child, match: await found.promise };
  }

  async function through(port: number, bytes: Buffer): Promise<Buffer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const parts: Buffer[] = [];
    let size = 0;
    const all = Promise.withResolvers<void>();
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      if ((size += part.length) >= bytes.length) all.resolve();
    });
    // mender-cli says that it forwards before it listens: a refusal is an empty answer, and is asked again.
    socket.on('error', () => undefined).on('close', () => all.resolve());
    socket.write(bytes);
    await all.promise;
    socket.destroy();
    return Buffer.concat(parts);
  }

  each('F-56 PF-15 mender-cli forwards TCP and UDP, device %s', async (which) => {
    const udp = createSocket('udp4', (bytes, from) => udp.send(bytes, from.port));
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const local = await freePort();
    const args = ['--server', rig.server.url, '--token-value', rig.operator.token, 'port-forward', id(which)];
    const specs = [`tcp/${local}:${echoPort}`, `udp/${local}:${udp.address().port}`];
    const { child } = await start(mender, [...args, ...specs], /[Ff]orwarding from.*udp|[Ff]orwarding from.*->/);
    try {
      const sent = content.subarray(0, 100_000);
      expect((await retried(() => through(local, sent))).equals(sent)).toBe(true);
      const client = createSocket('udp4');
      const answer = once(client, 'message');
      const again = setInterval(() => client.send('ping', local, '127.0.0.1'), 300);
      client.send('ping', local, '127.0.0.1');
      expect(String((await answer)[0])).toBe('ping');
      clearInterval(again);
      client.close();
    } finally {
      child.kill('SIGKILL');
      udp.close();
    }
  });

  each('F-60 PF-10 patchbay forward carries many connections and each end of them, device %s', async (which) => {
    const { child, match } = await start(
      process.execPath,
      [launcher, 'forward', id(which), `0:${echoPort}`],
      /tcp 127\.0\.0\.1:(\d+) is 127/,
    );
    try {
      const port = Number(match[1]);
      const size = which === 'ours' ? content.length : 100_000;
      const sent = content.subarray(0, size);
      const got = await Promise.all([1, 2, 3].map(() => through(port, sent)));
      for (const one of got) expect(one.equals(sent)).toBe(true);
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.end('the last word');
      expect((await buffer(socket)).toString()).toBe('the last word');
      // The host ends it: so does the socket here, and the port stays open for the next one.
      for (let again = 0; again < 2; again++) {
        const ended = connect({ port, host: '127.0.0.1' });
        ended.write('hang up');
        expect((await buffer(ended)).toString()).toBe('hang up');
      }
      const refused = await start(process.execPath, [launcher, 'forward', id(which), '0:1'], /:(\d+) is 127/);
      const said = new Promise<string>((resolve) =>
        createInterface(refused.child.stderr!).on('line', (line) => void (/refused/.test(line) && resolve(line))),
      );
      connect(Number(refused.match[1]), '127.0.0.1').on('error', () => undefined);
      expect(await said).toContain('connection refused');
      refused.child.kill('SIGKILL');
    } finally {
      child.kill('SIGINT');
      const [code] = (await once(child, 'exit')) as [number];
      expect([0, 1]).toContain(code);
    }
  });

  each('patchbay forward --stdio is a pipe to a port, device %s', async (which) => {
    const { code, out, err } = await rig.run(['forward', '--stdio', id(which), String(echoPort)], 'through and back\n');
    expect({ code, out: out.toString(), err }).toEqual({ code: 0, out: 'through and back\n', err: '' });
  });

  it('PF-14 FT-21 the audit log says which port was reached and which file was taken, with the bytes', async () => {
    await rig.run(['forward', '--stdio', ours, String(echoPort)], 'counted');
    await rig.run(['cp', `${ours}:${at('content')}`, at('audited')]);
    const entries = async (action: string) =>
      await rig.operator.get<AuditEntry[]>(`/v1/patchbay/audit?action=${action}&per_page=100`);
    const used = (await entries('session_use')).map(({ object, details }) => ({ device: object.id, ...details }));
    const port = { typ: 'new', protocol: 'tcp', remote_host: '127.0.0.1', remote_port: echoPort };
    expect(used).toContainEqual(expect.objectContaining({ device: ours, kind: 'port-forward', ...port }));
    const file = { typ: 'get_file', path: at('content') };
    expect(used).toContainEqual(expect.objectContaining({ device: ours, kind: 'file-transfer', ...file }));
    await eventually('the ends are written', async () => {
      const ended = (await entries('session_close')).map(({ details }) => details);
      const of = (use: object) =>
        ended.find((details) => JSON.stringify(details?.['uses'])?.includes(JSON.stringify(use)));
      return Number(of(port)?.['bytes_to_device']) > 7 && Number(of(file)?.['bytes_from_device']) > content.length;
    });
  });

  it('ssh and scp go through --stdio as a ProxyCommand', async () => {
    await using sshd = await startSshd(rig.folder);
    const proxy = `${process.execPath} ${launcher} forward --stdio ${ours} ${sshd.port}`;
    const options = sshd.options.filter((each, n, all) => each !== '-p' && all[n - 1] !== '-p');
    const through = ['-o', `ProxyCommand=${proxy}`];
    const { stdout } = await run('ssh', [...options, ...through, 'raspi', 'echo', 'here I am'], { env: rig.env });
    expect(stdout).toBe('here I am\n');
    await run('scp', ['-O', ...options, ...through, at('content'), `raspi:${at('by-scp')}`], { env: rig.env });
    expect((await readFile(at('by-scp'))).equals(content)).toBe(true);
  });

  it('rsync goes through --stdio as a ProxyCommand', async () => {
    await mkdir(at('rsync'));
    await using sshd = await startSshd(at('rsync'));
    const proxy = `${process.execPath} ${launcher} forward --stdio ${ours} ${sshd.port}`;
    const options = sshd.options.filter((each, n, all) => each !== '-p' && all[n - 1] !== '-p');
    // Started on both ends, each time with the libraries that were unpacked with it.
    const libraries = await peerEnvironment('rsync');
    const rsync = join(rsyncRoot ?? '', 'usr', 'bin', 'rsync');
    await mkdir(at('www', 'deep'), { recursive: true });
    await writeFile(at('www', 'deep', 'page'), content);
    await symlink('deep/page', at('www', 'link'));
    const there = `env LD_LIBRARY_PATH=${libraries['LD_LIBRARY_PATH'] ?? ''} ${rsync}`;
    const shell = ['ssh', ...options, '-o', `'ProxyCommand=${proxy}'`].join(' ');
    const mirror = ['-a', '-e', shell, '--rsync-path', there, `${at('www')}/`, `raspi:${at('mirror')}/`];
    await run(rsync, mirror, { env: { ...rig.env, ...libraries } });
    expect((await readFile(at('mirror', 'link'))).equals(content)).toBe(true);
  }, 120_000);

  it('G-62 TRB-1 TRB-2 patchbay check-update and send-inventory tell the client', async () => {
    const told = await rig.run(['check-update', ours]);
    expect(told).toMatchObject({ code: 0, err: expect.stringContaining('looks for an update now') as unknown });
    const sent = await rig.run(['send-inventory', ours]);
    expect(sent).toMatchObject({ code: 0, err: expect.stringContaining('sends its inventory now') as unknown });
    // Mender's daemon of this test runs beside our client, and knows no program of it.
    const refused = await rig.run(['check-update', stock]);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/^error: bench-1: .+/);
  });

  it('H-74 FT-1 FT-2 FT-3 FT-4 FT-5 FT-18 downloads over HTTP have the statuses, headers and texts that clients know (server-api.md §2.6)', async () => {
    const get = (path: string, method = 'GET', device = ours) =>
      fetch(
        `${rig.server.url}/api/management/v1/deviceconnect/devices/${device}/download?path=${encodeURIComponent(path)}`,
        {
          method,
          headers: { authorization: `Bearer ${rig.operator.token}` },
        },
      );
    const refusal = async (path: string, device = ours) => {
      const answer = await get(path, 'GET', device);
      return [answer.status, ((await answer.json()) as { error: string }).error];
    };
    const answer = await get(at('content'));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('x-men-file-mode')).toBe('640');
    expect(answer.headers.get('x-men-file-size')).toBe(String(content.length));
    expect(answer.headers.get('x-men-file-path')).toBe(at('content'));
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true);
    const head = await get(at('content'), 'HEAD');
    expect([head.status, head.headers.get('x-men-file-size')]).toEqual([200, String(content.length)]);
    await writeFile(at('empty'), '');
    const empty = await get(at('empty'));
    expect([empty.status, await empty.text()]).toEqual([200, '']);
    expect(await refusal('relative')).toEqual([400, 'path: must be absolute.']);
    expect((await refusal('/does/not/exist'))[0]).toBe(400);
    expect((await refusal('/does/not/exist'))[1]).toMatch(
      /^failed to retrieve file info: error received from device: .*\/does\/not\/exist: no such file or directory$/,
    );
    expect(await refusal(rig.folder)).toEqual([400, 'path is not a regular file']);
    expect(await refusal('/etc/hosts', '00000000-0000-4000-8000-000000000000')).toEqual([409, 'device disconnected']);
    const log = await rig.operator.get<AuditEntry[]>('/v1/patchbay/audit?per_page=100');
    const logged = log.filter(({ action, result }) => action === 'file_download' && result === 'ok');
    const [whole] = logged.filter(({ details }) => Number(details?.['bytes_from_device']) > content.length);
    expect(whole?.details).toMatchObject({ path: at('content') });
    // Of its size, as `stat` has it, there is nothing.
    expect(await (await get('/proc/version')).text()).toMatch(/^Linux /);
  });

  it('FT-19 H-76 PF-12 TRB-4 what is switched off on a device is said, in one line', async () => {
    const Off = { Disable: true };
    const device = await rig.device('patchbay', {
      settings: { FileTransfer: Off, PortForward: Off, MenderClient: Off },
    });
    const url = `${rig.server.url}/api/management/v1/deviceconnect/devices/${device.id}/download?path=/etc/hosts`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${rig.operator.token}` } });
    expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([
      502,
      'file transfer disabled on device',
    ]);
    for (const command of [
      ['cp', `${device.id}:/etc/hosts`, at('off')],
      ['forward', '--stdio', device.id, '22'],
      ['check-update', device.id],
    ]) {
      const { code, err } = await rig.run(command);
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(/^(error|patchbay): bench-1: .*switched off, or not at all.*\n$/),
      ]);
    }
  });

  it('ask-11 a download over HTTP goes on where it was cut, unless the file is another one by then', async () => {
    const get = (range: string, headers: Record<string, string> = {}, device = ours) =>
      fetch(
        `${rig.server.url}/api/management/v1/deviceconnect/devices/${device}/download?path=${encodeURIComponent(at('parts'))}`,
        { headers: { authorization: `Bearer ${rig.operator.token}`, range, ...headers } },
      );
    await writeFile(at('parts'), content);
    const first = await get('bytes=0-99');
    const etag = first.headers.get('etag')!;
    expect([first.status, first.headers.get('content-range')]).toEqual([206, `bytes 0-99/${content.length}`]);
    const rest = await get('bytes=100-', { 'if-range': etag });
    expect([rest.status, rest.headers.get('content-length')]).toEqual([206, String(content.length - 100)]);
    const pieces = [first, rest].map(async (answer) => Buffer.from(await answer.arrayBuffer()));
    expect(Buffer.concat(await Promise.all(pieces)).equals(content)).toBe(true);
    expect((await get(`bytes=${content.length}-`)).status).toBe(416);
    await utimes(at('parts'), new Date(1), new Date(1));
    const other = await get('bytes=100-', { 'if-range': etag });
    expect([other.status, (await other.arrayBuffer()).byteLength]).toEqual([200, content.length]);
    // A stock device begins at the beginning: it gets no promise, and the whole file is the answer.
    const whole = await get('bytes=100-', {}, stock);
    expect([whole.status, whole.headers.get('accept-ranges')]).toEqual([200, null]);
    expect(Buffer.from(await whole.arrayBuffer()).equals(content)).toBe(true);
  });

  it('H-74 H-75 uploads over HTTP (server-api.md §2.6)', async () => {
    const put = async (fields: [string, string | Blob][]) => {
      const form = new FormData();
      for (const [name, value] of fields) form.append(name, value);
      const answer = await fetch(`${rig.server.url}/api/management/v1/deviceconnect/devices/${ours}/upload`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${rig.operator.token}` },
        body: form,
      });
      const text = await answer.text();
      return [answer.status, text === '' ? '' : (JSON.parse(text) as { error: string }).error];
    };
    const file: [string, Blob] = ['file', new Blob([content])];
    expect(await put([['path', at('http')], ['mode', '600'], file, ['mode', '777']])).toEqual([201, '']);
    expect((await readFile(at('http'))).equals(content)).toBe(true);
    expect((await stat(at('http'))).mode & 0o777).toBe(0o600);
    expect(
      await put([
        ['path', at('nil')],
        ['file', new Blob([])],
      ]),
    ).toEqual([201, '']);
    expect(await put([['path', 'relative'], file])).toEqual([400, 'path: must be absolute.']);
    expect(await put([['path', at('http')]])).toEqual([400, 'file: upload file is required.']);
    const [status, error] = await put([['path', '/nowhere/f'], file]);
    expect(status).toBe(400);
    expect(error).toContain('failed to create target file');
  });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

/** A program that says nothing of when its port is open. */
async function retried<T>(act: () => Promise<T>): Promise<T> {
  for (let n = 0; ; n++) {
    const result = await act();
    if (!(Buffer.isBuffer(result) && result.length === 0) || n > 50) return result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
