import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { person } from './bench.testing.ts';

test('bash completes commands, subcommands and options', async () => {
  await using ada = await person();
  const { out } = await ada.call(['completion', 'bash']);
  const completed = async (...words: string[]) => {
    const quoted = words.map((word) => `'${word}'`).join(' ');
    const ask = `COMP_WORDS=(patchbay ${quoted}); COMP_CWORD=${words.length}; _patchbay; echo "\${COMPREPLY[@]}"`;
    const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', `${out}\n${ask}`]);
    return stdout.trim().split(' ');
  };
  expect(await completed('dev')).toEqual(['devices']);
  expect(await completed('devices', 'acc')).toEqual(['accept']);
  expect(await completed('devices', '--sta')).toEqual(['--status']);
  expect(await completed('--json', 'deploy', 'release-1', '--de')).toEqual(['--device']);
  expect(await completed('terminal', '--ser')).toEqual(['--server']);
});
