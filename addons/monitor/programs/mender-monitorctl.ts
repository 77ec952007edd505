import { ctl } from '../watch/ctl.ts';

// Root's, as the files are; another folder is whoever may write there.
const args = process.argv.slice(2);
let folder = process.env['MENDER_MONITOR_FOLDER'];
if (args[0] === '--folder') [, folder] = args.splice(0, 2);
const harmless = ['--version', 'help', '--help', '-h', undefined].includes(args[0]);
if (folder === undefined && !harmless && process.geteuid?.() !== 0) {
  process.stderr.write('mender-monitorctl: only root may do this\n');
  process.exit(1);
}
void ctl(args, {
  folder: folder ?? '/etc/mender-monitor',
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
}).then((code) => (process.exitCode = code));
