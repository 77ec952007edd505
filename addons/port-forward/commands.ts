/** Nothing else in here: the operator's `--help` reads it, and is to be quick. */
export default {
  forward: 'reach ports of a device, or of its network, from here',
  open: 'open a web page of a device in the browser',
} as const;
