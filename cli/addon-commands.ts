/**
 * The commands that built-in add-ons bring, as their manifests say it (a test compares): name → add-on and summary.
 * Written down here because the help lists them, and to ask the manifests would load every schema there is: 250 ms
 * before the first line.
 */
export const addonCommands: Readonly<Record<string, { readonly addon: string; readonly summary: string }>> = {
  cp: { addon: 'file-transfer', summary: 'copy files to and from a device' },
  'check-update': { addon: 'client-control', summary: 'have devices look for an update now' },
  'send-inventory': { addon: 'client-control', summary: 'have devices send their inventory now' },
  forward: { addon: 'port-forward', summary: 'reach ports of a device, or of its network, from here' },
  terminal: { addon: 'terminal', summary: 'open a shell on a device' },
};
