/** Nothing else in here: the operator's `--help` reads it, and is to be quick. */
export default {
  alerts: 'list, acknowledge, silence and watch what devices say is wrong',
  checks: 'show, give and take the checks of devices, of groups and of the whole fleet',
} as const;
