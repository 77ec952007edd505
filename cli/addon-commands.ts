/**
 * The commands that built-in add-ons bring, as their manifests say it (a test compares). Written down here because the
 * help lists them, and to ask the manifests would load every schema there is: 250 ms before the first line.
 */
export const addonCommands = {
  terminal: { summary: 'open a shell on a device', addon: 'terminal' },
} as const;
