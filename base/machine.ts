type Table<T> = { readonly [S in keyof T]: { readonly [event: string]: keyof T & string } };

/** Rows are states, columns what can come of them. A target that is no row does not compile. */
export const machine = <const T extends Table<T>>(table: T): T => table;

/** What to do in each state. It may only return an event of its own row. */
export type Actions<T, D> = { readonly [S in keyof T]: (data: D, signal: AbortSignal) => Promise<keyof T[S]> };

/** State and data are one record, stored in one step: there is never a mixture of two. */
export interface Journal<S, D> {
  load(): Promise<{ state: S; data: D }>;
  save(state: S, data: D): Promise<void>;
}

/**
 * Runs a machine until its signal aborts. `resume` says where to go on after a cut inside a state: seldom that state
 * itself (`update-client.md` §2.4).
 */
export async function run<T extends Table<T>, D>(
  table: T,
  resume: { readonly [S in keyof T]: keyof T },
  actions: Actions<T, D>,
  journal: Journal<keyof T, D>,
  signal: AbortSignal,
): Promise<void> {
  const { state: cut, data } = await journal.load();
  for (let state: keyof T = resume[cut]; !signal.aborted;) {
    await journal.save(state, data);
    const event = await actions[state](data, signal);
    state = table[state][event as string] as keyof T;
  }
}
