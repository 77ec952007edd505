import { defineCli } from '#addon/cli';
import { alertCommands } from './cli/alerts.ts';
import { routeCommands } from './cli/routes.ts';
import { settingsCommand } from './cli/settings.ts';
import manifest from './manifest.ts';

export default defineCli(manifest, {
  alerts(command, host) {
    alertCommands(command, host);
    routeCommands(command.command('routes').description('Where people are told of alerts, and how that went.'), host);
    settingsCommand(command.command('settings'), host);
  },
  async checks(command, host) {
    // The schemas of checks take as long to load as all the rest.
    const { checkCommands } = await import('./cli/checks.ts');
    checkCommands(command, host);
  },
});
