import type { Log } from "../log.ts";
import type { Metric } from "../metrics.ts";
import { HISTORY_EVERY_MS, HistoryRing } from "./history_ring.ts";
import { metricsJson } from "./metrics_json.ts";
import { readAll } from "./page/chart_series.ts";
import type { HistoryJson, MetricsJson } from "./page/daemon_json.ts";
import { Interval } from "./page/interval.ts";

/** Options for {@linkcode Recorder}. */
export interface RecorderOptions {
  log: Log;
  /** The current metrics. */
  metrics: () => readonly Metric[];
  /** @default {HISTORY_EVERY_MS} */
  everyMs?: number;
}

/** Keeps what the charts show for a day, one row every 10 s. */
export class Recorder implements Disposable {
  readonly #ring = new HistoryRing();
  readonly #options: RecorderOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  /** The last metrics; `undefined` after they could not be read. */
  #before: { nowMs: number; metrics: MetricsJson } | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#record();
    this.#timer = setInterval(() => this.#record(), options.everyMs ?? HISTORY_EVERY_MS);
  }

  /** The rows of the last seconds, with their Unix times. */
  read(rangeS: number): HistoryJson {
    const nowS = performance.now() / 1000;
    const { times, ...rest } = this.#ring.read(nowS - rangeS);
    // Rows are kept on a clock that never goes back, as the times of a chart must not.
    const shiftS = Date.now() / 1000 - nowS;
    return { ...rest, times: times.map((time) => time + shiftS) };
  }

  #record(): void {
    const before = this.#before;
    const nowMs = performance.now();
    try {
      this.#before = { nowMs, metrics: metricsJson(this.#options.metrics()) };
      if (before === undefined) return;
      this.#ring.add(nowMs / 1000, readAll(new Interval(before, this.#before)));
    } catch (error) {
      // It is the bug of one service, and no reason to end the daemon.
      this.#before = undefined;
      this.#options.log.error("Cannot record metrics", { error: String(error) });
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
