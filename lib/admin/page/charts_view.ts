/// <reference lib="dom" />
import { fetchHistory } from "./api.ts";
import { Chart } from "./chart.ts";
import { CHARTS } from "./chart_series.ts";
import type { HistoryJson } from "./daemon_json.ts";
import { byId, setText } from "./dom.ts";
import { WINDOW_S } from "./history.ts";
import type { Interval } from "./interval.ts";
import { Poller } from "./poller.ts";

/** How often a longer range is read again. */
const PAST_EVERY_MS = 10_000;

/** From this width on, the charts are open at first. */
const WIDE = "(min-width: 700px)";

/** The charts section of the page. */
export class ChartsView {
  readonly #charts = CHARTS.map((options) => new Chart(options));
  readonly #box = byId<HTMLDetailsElement>("charts-section");
  readonly #hint = byId("charts-hint");
  readonly #poller: Poller<HistoryJson>;
  #rangeS = WINDOW_S;
  /** Whether values from before the page was opened have been asked for. */
  #preceded = false;

  constructor() {
    byId("charts").append(...this.#charts.map((chart) => chart.root));
    this.#box.open = matchMedia(WIDE).matches;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const chart of this.#charts) chart.redraw();
    });
    this.#poller = new Poller(() => fetchHistory(this.#rangeS), {
      show: (history) => this.#showPast(history),
      fail: (message) => setText(this.#hint, `The past cannot be shown: ${message}`),
      everyMs: PAST_EVERY_MS,
    });
    byId("charts-range").addEventListener("change", (event) => {
      this.#select(Number((event.target as HTMLInputElement).value));
    });
    this.#select(WINDOW_S);
  }

  /** Adds the values of an interval that ends at `timeMs` (Unix time). */
  add(timeMs: number, interval: Interval): void {
    for (const [i, chart] of this.#charts.entries()) {
      chart.add(timeMs / 1000, CHARTS[i]!.read(interval));
    }
    if (!this.#preceded) {
      this.#preceded = true;
      void this.#precede();
    }
    if (this.#rangeS !== WINDOW_S && this.#box.open) this.#poller.tick();
  }

  /** Leaves a gap at `timeMs` (Unix time), when the daemon did not answer. */
  addGap(timeMs: number): void {
    for (const [i, chart] of this.#charts.entries()) {
      chart.add(timeMs / 1000, CHARTS[i]!.series.map(() => null));
    }
  }

  #select(rangeS: number): void {
    this.#rangeS = rangeS;
    this.#poller.stop();
    if (rangeS === WINDOW_S) {
      setText(this.#hint, "Measured once a second.");
      for (const chart of this.#charts) chart.showLive();
    } else {
      setText(this.#hint, "Loading…");
      void this.#poller.now();
    }
  }

  async #precede(): Promise<void> {
    try {
      const history = await fetchHistory(WINDOW_S);
      this.#each(history, (chart, rows) => chart.precede(rows));
    } catch (error) {
      // The charts then begin with the page.
      if (!(error instanceof Error)) throw error;
    }
  }

  #showPast(history: HistoryJson): void {
    const { everyS } = history;
    const span = everyS < 60 ? `${everyS} s` : `${Number((everyS / 60).toFixed(1))} min`;
    setText(this.#hint, `Each point is the highest value of ${span}.`);
    this.#each(history, (chart, rows) => chart.showPast(rows, this.#rangeS));
  }

  /** Calls a function for each chart with its part of a history. */
  #each(history: HistoryJson, use: (chart: Chart, rows: HistoryJson) => void): void {
    let from = 0;
    for (const [i, chart] of this.#charts.entries()) {
      const to = from + CHARTS[i]!.series.length;
      use(chart, { ...history, columns: history.columns.slice(from, to) });
      from = to;
    }
  }
}
