/** Nothing else in here: the operator's `--help` reads it, and is to be quick. */
export default {
  'check-update': 'have devices look for an update now',
  'send-inventory': 'have devices send their inventory now',
} as const;
