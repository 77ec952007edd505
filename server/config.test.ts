import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { configOf, serverOptions } from './config.ts';

const read = (...args: string[]) => configOf(serverOptions(new Command()).exitOverride().parse(args, { from: 'user' }));

it('what nobody says is as usual (server-api.md §5)', () => {
  expect(read()).toMatchObject({
    data: 'patchbay-data',
    host: '127.0.0.1',
    port: 8080,
    publicUrl: undefined,
    tls: undefined,
    metrics: undefined,
    rates: { device: 600, user: 3000 },
    artifactLimit: 10_737_418_240,
    storageLimit: 0,
    recordings: { days: 30 },
    grace: 10_000,
    logLevel: 'info',
  });
});

it.each([
  ['--listen 80', /--listen 80: HOST:PORT is wanted/],
  ['--listen a:70000', /--listen/],
  ['--metrics 9464', /--metrics 9464: HOST:PORT is wanted/],
  ['--tls-cert x', /go together/],
  ['--public-url patchbay.example.com', /--public-url .* an origin is wanted/],
  ['--public-url https://x.example/a?b', /--public-url/],
  ['--device-rate many', /--device-rate many: a whole number from 0 to 1000000/],
  ['--device-rate=', /--device-rate : a whole number/],
  ['--storage-limit -1', /--storage-limit -1: a whole number/],
  ['--grace 3601', /--grace 3601: a whole number from 0 to 3600/],
  ['--trusted-proxies everybody', /--trusted-proxies everybody: a number of hops/],
  ['--webhook-networks 10.0.0.0/40', /--webhook-networks 10.0.0.0\/40: addresses and networks/],
])('%s is refused, and said why', (args, why) => {
  expect(() => read(...args.split(' '))).toThrow(why);
});

it('options win over the file, the file over what is usual; an unknown key in it is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-config-'));
  try {
    const file = join(folder, 'server.json');
    await writeFile(
      file,
      JSON.stringify({ deviceRate: 7, listen: '[::1]:1', publicUrl: 'https://x.example/p/', grace: 2 }),
    );
    expect(read('--config', file, '--grace', '3')).toMatchObject({
      rates: { device: 7, user: 3000 },
      host: '::1',
      port: 1,
      publicUrl: 'https://x.example/p',
      grace: 3000,
    });
    await writeFile(file, JSON.stringify({ logLevel: 'loud' }));
    expect(() => read('--config', file)).toThrow('--log-level loud: one of debug');
    await writeFile(file, JSON.stringify({ deviceRates: 7 }));
    expect(() => read('--config', file)).toThrow('there is no option "deviceRates"');
  } finally {
    await rm(folder, { recursive: true });
  }
});
