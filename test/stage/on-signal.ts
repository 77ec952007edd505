const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Does something at once when a signal ends this process, which it does then as it would have; until it is disposed of. */
export function onSignal(act: () => void): Disposable {
  const remove = () => {
    for (const signal of signals) process.off(signal, heard);
  };
  const heard = (signal: NodeJS.Signals) => {
    remove();
    try {
      act();
    } finally {
      process.kill(process.pid, signal);
    }
  };
  for (const signal of signals) process.on(signal, heard);
  return { [Symbol.dispose]: remove };
}
