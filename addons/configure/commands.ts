/** Nothing else in here: the operator's `--help` reads it, and is to be quick. */
export default {
  config: 'show and change the settings of devices, of groups and of the whole fleet',
} as const;
