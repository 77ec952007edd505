// Starts a child that takes this process's place as far as a parent can arrange it: same input and output, its exit
// code becomes ours, signals sent to us reach it. Plain JavaScript: this runs on whatever Node the machine has.
import { spawn } from 'node:child_process';

/**
 * Runs a program to its end and answers its exit code. A program that was ended by a signal ends us by the same one.
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<number>}
 */
export function become(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'inherit', ...options });
  // A terminal sends Ctrl-C to the whole foreground group, so the child has it already; without one it is ours to pass on.
  const shared = process.stdin.isTTY || process.stdout.isTTY;
  const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'].map((signal) => {
    const pass = () => {
      if (signal !== 'SIGINT' || !shared) child.kill(/** @type {NodeJS.Signals} */ (signal));
    };
    process.on(signal, pass);
    return { signal, pass };
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const { signal: name, pass } of handlers) process.off(name, pass);
      if (signal) process.kill(process.pid, signal);
      else resolve(code ?? 1);
    });
  });
}
