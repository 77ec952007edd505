/** One figure of ours beside another's from the same run. Design §8 says which, and what the ratio must reach. */
export interface Row {
  readonly bench: string;
  readonly case: string;
  /** Of `ours` and `other`: 'ms', 'MB/s', 'requests/s', 'MiB' … */
  readonly unit: string;
  readonly ours: number;
  /** What `other` is: 'node -e ""', 'ssh' … */
  readonly against: string;
  readonly other: number;
  /** `ours / other`. */
  readonly ratio: number;
  /** In words, such as '≤ 1000 ms' or '≥ 0.5'. */
  readonly target: string;
  readonly met: boolean;
}

/** Each `bench/NAME.ts` exports this as `run`. With `json`, nothing else may be written to standard output. */
export type Bench = (options: { readonly json: boolean; readonly count?: number }) => Promise<readonly Row[]>;

/** A figure that has to reach another, in MB/s. */
export function atLeast(bench: string, what: string, ours: number, least: number): Row {
  const ratio = ours / least;
  return {
    bench,
    case: what,
    unit: 'MB/s',
    ours,
    against: 'the target',
    other: least,
    ratio,
    target: `≥ ${least} MB/s`,
    met: ratio >= 1,
  };
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Nearest rank. */
export function percentile(values: readonly number[], rank: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((rank / 100) * sorted.length) - 1)] ?? Number.NaN;
}
