/** Who counts requests, if anybody does. */
export interface Meter {
  /** A request is over. `route`: the path as its route spells it; undefined: there is none. 499: the client left. */
  answered(method: string, route: string | undefined, status: number, seconds: number): void;
  /** A poll with nothing to do went the short way. */
  idle(): void;
}

export const noMeter: Meter = { answered() {}, idle() {} };
