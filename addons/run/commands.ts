/** Nothing else in here: the operator's `--help` reads it, and is to be quick. */
export default { run: 'run a command on devices, and see what it said on each' } as const;
