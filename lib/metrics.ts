/**
 * What a part of the daemon can be asked about itself. Parts count in plain fields of their own
 * and hand out the figures when they are asked, so counting costs an addition and nothing else.
 *
 * @module
 */

/** One figure of a metric, told apart from its others by labels. */
export interface Sample {
  labels?: Record<string, string>;
  value: number;
}

/** A counter only grows; a gauge goes up and down. */
export interface Figures {
  type: "counter" | "gauge";
  /** In Prometheus' words: base units, `_total` at the end of a counter, no prefix. */
  name: string;
  help: string;
  samples: Sample[];
}

/** A distribution; see {@linkcode Histogram}. */
export interface Distribution {
  type: "histogram";
  name: string;
  help: string;
  samples: { labels?: Record<string, string>; histogram: Histogram }[];
}

/** A family of figures with one name. */
export type Metric = Figures | Distribution;

/** Upper bounds for latencies, in seconds: 50 µs to 10 s. */
export const LATENCY_BOUNDS_S: readonly number[] = [
  0.000_05,
  0.000_1,
  0.000_25,
  0.000_5,
  0.001,
  0.002_5,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];

/** Counts observations by upper bound, as a Prometheus histogram does. */
export class Histogram {
  /** Upper bounds, ascending; observations above the last are in a bucket of their own. */
  readonly bounds: readonly number[];
  /** Observations by bucket, not cumulated; one longer than `bounds`. */
  readonly counts: Float64Array;
  /** The sum of all observations. */
  sum = 0;
  /** How many observations there were. */
  count = 0;

  /** @param bounds Upper bounds, ascending. */
  constructor(bounds: readonly number[] = LATENCY_BOUNDS_S) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /**
   * Counts an observation.
   *
   * @param value What was observed, in the unit of the bounds.
   * @param times How often it was.
   */
  observe(value: number, times = 1): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.counts[bucket]! += times;
    this.sum += value * times;
    this.count += times;
  }
}
