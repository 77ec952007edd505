// Gives memory back that starting, or a session, has left behind. V8 collects when it needs room, and an idle device
// never needs any: without this it keeps twice what it uses.

/** Before the first look, ms: a program has started by then. */
const starting = 8000;
/** Between two looks, ms. */
const between = 120_000;
/** Growth, in bytes, that makes a collection worth its time. */
const worth = 2 * 1024 * 1024;

/** Does nothing unless the program was started with `--expose-gc`. It keeps no process alive. */
export function tidy() {
  const collect = globalThis.gc;
  if (!collect) return;
  let kept = 0;
  const look = () => {
    if (process.memoryUsage().heapUsed - kept < worth) return;
    // Byte code that nobody has run is thrown away once it is a few collections old.
    for (let round = 0; round < 5; round += 1) collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    kept = process.memoryUsage().heapUsed;
  };
  setTimeout(() => {
    look();
    setInterval(look, between).unref();
  }, starting).unref();
}
