type Table<T> = { readonly [S in keyof T]: { readonly [event: string]: keyof T & string } };

/** Rows are states, columns what can come of them. A target that is no row does not compile; a row without columns is an end. */
export const machine = <const T extends Table<T>>(table: T): T => table;

/** The states of a machine that do something: all but its ends. */
export type Working<T> = { [S in keyof T]: keyof T[S] extends never ? never : S }[keyof T] & string;

/** What can come of a state. */
export type EventOf<T, S extends keyof T> = keyof T[S] & string;

/** What to do in each state. It may only return an event of its own row. */
export type Actions<T, D> = { readonly [S in Working<T>]: (data: D, signal: AbortSignal) => Promise<EventOf<T, S>> };

/**
 * Runs a machine from `start` until it reaches an end or its signal aborts; returns the state it stopped in. What must
 * survive a cut is each action's own business, stored before it acts: not every state is worth a write to flash.
 */
export async function run<T extends Table<T>, D>(
  table: T,
  actions: Actions<T, D>,
  start: keyof T & string,
  data: D,
  signal: AbortSignal,
): Promise<keyof T & string> {
  let state = start;
  while (!signal.aborted) {
    const action = (actions as Partial<Record<string, (data: D, signal: AbortSignal) => Promise<string>>>)[state];
    if (!action) return state;
    const event = await action(data, signal);
    // An action that an abort cut short has no outcome: the state it was in is what the next start finds.
    if (signal.aborted) return state;
    const next = table[state][event];
    if (next === undefined) throw new Error(`state ${state} has no event ${event}`);
    state = next;
  }
  return state;
}
