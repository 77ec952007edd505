/** Nothing else in here: the operator's `--help` reads it, and is to be quick. */
export default {
  cp: 'copy files to and from a device',
} as const;
