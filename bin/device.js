// `patchbay device daemon`: client and connect in one process, for devices that have little memory. They still know each
// other only over D-Bus; this gives each its options and lets neither outlive the other.

const usage = `usage: patchbay device daemon [options of patchbay client]
         [--connect-config FILE] [--connect-fallback-config FILE]`;

/**
 * @typedef {(args: string[]) => Promise<number>} Main
 * @param {string[]} args
 * @param {{ client: Main, connect: Main }} mains
 * @returns {Promise<number>}
 */
export async function main(args, { client, connect }) {
  const forClient = [];
  const forConnect = [];
  let daemon = false;
  for (let index = 0; index < args.length; index += 1) {
    const [option, value] = args[index].split(/=(.*)/s);
    if (args[index] === 'daemon') daemon = true;
    else if (option === '--connect-config' || option === '--connect-fallback-config') {
      forConnect.push(option.replace('connect-', ''), value ?? args[(index += 1)] ?? '');
    } else forClient.push(args[index]);
  }
  if (!daemon) {
    const asked = args.includes('--help') || args.includes('-h');
    console[asked ? 'log' : 'error'](usage);
    return asked ? 0 : 2;
  }
  const running = [client([...forClient, 'daemon']), connect([...forConnect, 'daemon'])].map(exitCode);
  await Promise.race(running);
  // Each has its own way to stop on SIGTERM; the other may still be starting and not listen yet.
  const stop = setInterval(() => {
    if (process.listenerCount('SIGTERM') > 0) process.kill(process.pid, 'SIGTERM');
  }, 50);
  const codes = await Promise.all(running);
  clearInterval(stop);
  return Math.max(...codes);
}

/** @param {Promise<number>} program */
async function exitCode(program) {
  try {
    return await program;
  } catch (error) {
    console.error(`patchbay: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}
