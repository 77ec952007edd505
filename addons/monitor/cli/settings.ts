import { type Command, InvalidArgumentError } from 'commander';
import type { Host } from './host.ts';
import { Api } from './api.ts';
import { count, seconds } from './filter.ts';
import { json } from './printing.ts';

const examples = `
Examples:
  patchbay alerts settings                              how it is
  patchbay alerts settings --offline-after 5m           a device without its connection for so long is an alert
  patchbay alerts settings --offline-after never --email off`;

interface Options {
  readonly email?: boolean;
  readonly offlineAfter?: number;
  readonly offlineGrace?: number;
  readonly grouping?: number;
  readonly keep?: number;
}

/** What holds for all devices. */
export function settingsCommand(command: Command, host: Host): void {
  command
    .description('Show what holds for all devices, or change it.')
    .option('--email <on|off>', 'e-mails to all users who may read the device', onOff)
    .option('--offline-after <time>', 'a device without its connection for so long is offline; never', orNever)
    .option('--offline-grace <time>', 'how long nobody is called offline after a start of the server', seconds)
    .option('--grouping <time>', 'alerts of one name within this time are one message', orNever)
    .option('--keep <days>', 'how many days the history goes back', count)
    .addHelpText('after', examples)
    .action(async ({ email, offlineAfter, offlineGrace, grouping, keep }: Options) => {
      const api = new Api(host);
      const change = {
        ...(email === undefined ? {} : { email }),
        ...(offlineAfter === undefined ? {} : { offline_seconds: offlineAfter }),
        ...(offlineGrace === undefined ? {} : { offline_grace_seconds: offlineGrace }),
        ...(grouping === undefined ? {} : { group_seconds: grouping }),
        ...(keep === undefined ? {} : { history_days: keep }),
      };
      const now = Object.keys(change).length > 0 ? await api.changeSettings(change) : await api.settings();
      if (host.json) return json(host, now);
      const mail = now.mail_configured ? '' : ' (the server has no mail server: --smtp-url)';
      host.list(
        [
          ['e-mails to users', `${now.email ? 'on' : 'off'}${mail}`],
          ['offline after', words(now.offline_seconds, 'never')],
          ['after a start not before', words(now.offline_grace_seconds, 'at once')],
          ['alerts of one name are one message within', words(now.group_seconds, 'not at all')],
          ['alerts are kept for', `${now.history_days} d`],
        ] as const,
        [
          { head: 'SETTING', of: ([name]) => name },
          { head: 'VALUE', of: ([, value]) => value },
        ],
        '',
      );
    });
}

function onOff(given: string): boolean {
  if (given === 'on' || given === 'off') return given === 'on';
  throw new InvalidArgumentError('It is on or off.');
}

const orNever = (given: string): number => (given === 'never' || given === 'off' ? 0 : seconds(given));

function words(time: number, none: string): string {
  if (time === 0) return none;
  for (const [unit, length] of [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ] as const)
    if (time >= length && time % length === 0) return `${time / length} ${unit}`;
  return `${time} s`;
}
