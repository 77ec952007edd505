/** Nothing else in here: the operator's `--help` reads it, and is to be quick. */
export default {
  terminal: 'open a shell on a device',
} as const;
