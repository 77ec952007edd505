import { Tooltip } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import { ago, moment } from '../format.ts';

// One clock for all the times of a page, ticking while any is shown.
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = Date.now();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, 15_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** How long ago, kept current; the exact time on hover. */
export function Ago({ time }: { readonly time: string | undefined }) {
  const tick = useSyncExternalStore(subscribe, () => now);
  const text = ago(time, Math.max(tick, Date.now() - 15_000));
  if (text === 'never') return <span>never</span>;
  return (
    <Tooltip label={moment(time)}>
      <time dateTime={time} className="num" style={{ whiteSpace: 'nowrap' }}>
        {text}
      </time>
    </Tooltip>
  );
}
