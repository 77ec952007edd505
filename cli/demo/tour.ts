import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failed } from '../failure.ts';
import { writeBroken, writeGreeting } from './artifacts.ts';
import type { Demo, Step } from './demo.ts';
import { expectExit } from './operator.ts';
import { TerminalWindow } from './shell.ts';
import type { VirtualDevice } from './virtual-device.ts';

const text = 'Hello from Patchbay, installed by the tour.\n';

/** What a newcomer would try, tried: throws at the first thing that does not hold. */
export async function walk(demo: Demo, signal: AbortSignal, step: Step): Promise<void> {
  const [device] = demo.devices;
  if (!device) throw failed('a tour needs a device');
  const guarded: Step = (title, work) => step(title, () => Promise.race([work(), demo.processes.broken]));
  await tryTerminal(demo, device, guarded);
  await tryUpdate(demo, device, guarded, signal);
  await tryBrokenUpdate(demo, device, guarded, signal);
  await trySetting(demo, device, guarded, signal);
  await tryCheck(demo, device, guarded, signal);
}

async function tryTerminal(demo: Demo, { name }: VirtualDevice, step: Step): Promise<void> {
  using terminal = await step(`a terminal on ${name} is open`, async () => {
    const window = await TerminalWindow.open(demo, name, 90, 30);
    // The sum is not in what was typed, so that only a shell can have written it.
    window.type('echo "sum $((20 + 22))"');
    await window.shows(/sum 42/);
    return window;
  });
  await step('its shell has the size of our window', async () => {
    terminal.type('stty size');
    await terminal.shows(/\b30 90\b/);
  });
  await step('it follows when the window is resized', async () => {
    terminal.resize(132, 43);
    // A resize travels beside the keystrokes: the first answer may still be the old size.
    terminal.type('until [ "$(stty size)" = "43 132" ]; do sleep 0.1; done; echo "now $(stty size)"');
    await terminal.shows(/now 43 132/);
  });
  await step('the shell is left, and so is the terminal', async () => {
    terminal.type('exit');
    const code = await terminal.ends();
    if (code !== 0) throw failed(`it ended with exit code ${code}`);
  });
}

async function tryUpdate(demo: Demo, device: VirtualDevice, step: Step, signal: AbortSignal): Promise<void> {
  const file = await step('an artifact is written', () => writeGreeting(demo.folder, 'tour-1', text, device.root));
  await step('it is uploaded', () => expectExit(demo, 0, ['releases', 'upload', file], signal));
  await step(`it is deployed to ${device.name}`, async () => {
    await expectExit(demo, 0, ['deploy', 'tour-1', '--device', device.name, '--timeout', '30'], signal);
  });
  await step('its file is there', () => expectGreeting(device));
}

async function tryBrokenUpdate(demo: Demo, device: VirtualDevice, step: Step, signal: AbortSignal): Promise<void> {
  const file = await step('an artifact that fails is uploaded', async () => {
    const written = await writeBroken(demo.folder, 'tour-2');
    await expectExit(demo, 0, ['releases', 'upload', written], signal);
    return written;
  });
  await step('its deployment fails, and says so', async () => {
    const { out } = await expectExit(demo, 1, ['deploy', 'tour-2', '--device', device.name, '--timeout', '30'], signal);
    if (!out.includes('failure')) throw failed(`it said: ${out.trim() || 'nothing'}`);
  });
  await step('what it spoiled is rolled back', () => expectGreeting(device));
  await step('its log tells why', async () => {
    const { out } = await expectExit(demo, 0, ['deployments', 'log', 'tour-2', device.name], signal);
    if (!out.includes('the new greeting cannot be read')) throw failed(`${file}: the log says only: ${out.trim()}`);
  });
}

async function trySetting(demo: Demo, { name, root }: VirtualDevice, step: Step, signal: AbortSignal): Promise<void> {
  const state = async (): Promise<string> =>
    (JSON.parse((await expectExit(demo, 0, ['--json', 'config', 'get', name], signal)).out) as { state: string }).state;
  const until = async (wanted: string): Promise<void> => {
    while ((await state()) !== wanted) await sleep(500, undefined, { signal });
  };
  await step(`a setting is sent to ${name}, and put into effect`, async () => {
    await expectExit(demo, 0, ['config', 'set', name, 'led=on', '--deploy'], signal);
    while ((await readFile(join(root, 'led.txt'), 'utf8').catch(() => '')) !== 'on\n')
      await sleep(200, undefined, { signal });
  });
  await step('one that it refuses is taken back there, and said', async () => {
    await expectExit(demo, 0, ['config', 'set', name, 'led=blue', '--deploy'], signal);
    await until('failed');
    const led = await readFile(join(root, 'led.txt'), 'utf8');
    if (led !== 'on\n') throw failed(`the light is ${led.trim()}`);
  });
}

async function tryCheck(demo: Demo, { log, name }: VirtualDevice, step: Step, signal: AbortSignal): Promise<void> {
  await step('a line in a log that is watched is an alert', async () => {
    await appendFile(log, 'panic: out of coffee\n');
    const told = async (): Promise<string> => (await expectExit(demo, 0, ['alerts', '--device', name], signal)).out;
    while (!(await told()).includes('Log file contains panic')) await sleep(200, undefined, { signal });
  });
}

async function expectGreeting({ root }: VirtualDevice): Promise<void> {
  const path = join(root, 'greeting.txt');
  const found = await readFile(path, 'utf8');
  if (found !== text) throw failed(`${path} holds ${JSON.stringify(found.slice(0, 100))}`);
}
