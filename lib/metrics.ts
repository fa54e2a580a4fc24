/**
 * What a part of the daemon reports about itself. Each part counts in plain fields of its own and
 * builds its metrics when they are asked for, so counting costs one addition.
 *
 * @module
 */

/** One value of a metric, told apart from the others by its labels. */
export interface Sample {
  labels?: Record<string, string>;
  value: number;
}

/** A metric whose samples are numbers. A counter only grows; a gauge goes up and down. */
export interface NumberMetric {
  type: "counter" | "gauge";
  /** By the conventions of Prometheus: base units, `_total` at the end of a counter, no prefix. */
  name: string;
  help: string;
  samples: Sample[];
}

/** A metric whose samples are distributions; see {@linkcode Histogram}. */
export interface HistogramMetric {
  type: "histogram";
  name: string;
  help: string;
  samples: { labels?: Record<string, string>; histogram: Histogram }[];
}

/** All samples under one name. */
export type Metric = NumberMetric | HistogramMetric;

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

/** Counts observations in buckets, as a Prometheus histogram does. */
export class Histogram {
  /** Upper bounds of the buckets, ascending. One more bucket holds larger values. */
  readonly bounds: readonly number[];
  /** Observations by bucket, not cumulative; one longer than `bounds`. */
  readonly counts: Float64Array;
  /** The sum of all observations. */
  sum = 0;
  /** How many observations there were. */
  count = 0;

  /** @param bounds Upper bounds of the buckets, ascending. */
  constructor(bounds: readonly number[] = LATENCY_BOUNDS_S) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /**
   * Counts an observation.
   *
   * @param value The value observed, in the unit of the bounds.
   * @param times How many times to count it.
   */
  observe(value: number, times = 1): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.counts[bucket]! += times;
    this.sum += value * times;
    this.count += times;
  }
}
