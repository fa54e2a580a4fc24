/// <reference lib="dom" />
import uPlot from "uplot";
import type { ChartOptions, LineStyle, SeriesOptions } from "./chart_series.ts";
import { make, setText } from "./dom.ts";
import { formatTime } from "./format.ts";
import { History, type Rows, WINDOW_S } from "./history.ts";

const HEIGHT_PX = 150;
/** Shortest time span that a chart shows. */
const MIN_SPAN_S = 60;

/** Steps of an axis of bytes. */
const BINARY_STEPS = Array.from({ length: 50 }, (_, i) => 2 ** i);

/** Steps of an axis of integers. */
const WHOLE_STEPS = Array.from({ length: 10 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat();

/** Lower end of a logarithmic axis. */
const LOG_MIN_S = 0.000_01;

const SYNC_KEY = "quartet";

/** From this time span on, times are shown without seconds. */
const LONG_SPAN_S = 7200;

/** The strokes and gaps of a line, in pixels. */
const DASHES: Record<LineStyle, number[]> = {
  "solid": [],
  "dashed": [7, 4],
  "dotted": [2, 3],
  "dash-dot": [9, 3, 2, 3],
};

const SVG = "http://www.w3.org/2000/svg";

/** A chart of the last minutes, or of a longer time, with the current values as text below. */
export class Chart {
  readonly root: HTMLElement;
  readonly #options: ChartOptions;
  /** What was read while the page was open. */
  readonly #live: History;
  /** What is shown: the same, or what the daemon has kept. */
  #rows: Rows;
  #spanS = WINDOW_S;
  readonly #plotBox = make("div", { class: "plot", "aria-hidden": "true" });
  readonly #values: HTMLElement[] = [];
  readonly #time = make("span", { class: "hint chart-time" });
  readonly #nothing = make("li", {}, "No data yet.");
  #plot: uPlot | undefined;
  /** Index of the moment under the pointer. */
  #pointed: number | null = null;

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#rows = this.#live = new History(options.series.length);
    const legend = make("ul", { class: "legend" });
    for (const one of options.series) {
      const value = make("span", { class: "value" }, "–");
      this.#values.push(value);
      legend.append(make("li", {}, swatchOf(one), `${one.label} `, value));
    }
    legend.append(this.#nothing);
    const title = make("h3", {}, options.title);
    this.root = make(
      "figure",
      { class: "chart" },
      make("figcaption", {}, title, this.#time),
      this.#plotBox,
      legend,
    );
    new ResizeObserver(() => this.#resize()).observe(this.#plotBox);
  }

  /** Adds the values of one moment; `null` where there is none. */
  add(timeS: number, values: readonly (number | null)[]): void {
    this.#live.add(timeS, values);
    if (this.#rows === this.#live) this.#refresh();
  }

  /** Puts values from before the page was opened in front of those of the last minutes. */
  precede(rows: Rows): void {
    this.#live.precede(rows);
    if (this.#rows === this.#live) this.#refresh();
  }

  /** Shows the last minutes. */
  showLive(): void {
    this.#spanS = WINDOW_S;
    this.#rows = this.#live;
    this.#refresh();
  }

  /** Shows a longer time. */
  showPast(rows: Rows, spanS: number): void {
    this.#spanS = spanS;
    this.#rows = rows;
    this.#refresh();
  }

  #refresh(): void {
    if (this.#plot === undefined) return;
    this.#plot.setData(this.#data(), false);
    this.#plot.setScale("x", this.#range());
    this.#showValues();
  }

  /** Redraws the chart, in the colours of the current colour scheme. */
  redraw(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#resize();
  }

  #resize(): void {
    const width = this.#plotBox.clientWidth;
    if (width === 0) return;
    if (this.#plot === undefined) this.#plot = this.#createPlot(width);
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT_PX });
  }

  #createPlot(width: number): uPlot {
    const color = (name: string) => colorOf(this.#plotBox, name);
    const { series, format, scale = "decimal" } = this.#options;
    const axis: uPlot.Axis = {
      stroke: color("text-soft"),
      font: "11px system-ui, sans-serif",
      grid: { stroke: color("line"), width: 1 },
      ticks: { show: false },
    };
    return new uPlot(
      {
        width,
        height: HEIGHT_PX,
        padding: [8, 20, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: SYNC_KEY }, drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { time: true, range: () => [this.#range().min, this.#range().max] },
          y: scale === "log"
            ? { distr: 3, range: (_, __, max) => [LOG_MIN_S, decadeAbove(max)] }
            : { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] },
        },
        axes: [
          {
            ...axis,
            space: 70,
            size: 24,
            values: (_, times) => times.map((time) => this.#timeOfDay(time)),
          },
          {
            ...axis,
            space: 32,
            size: 70,
            ...(scale === "binary" ? { incrs: BINARY_STEPS } : {}),
            ...(scale === "whole" ? { incrs: WHOLE_STEPS } : {}),
            ...(scale === "log" ? { grid: { ...axis.grid, filter: decadesOnly } } : {}),
            // `decadesOnly` leaves gaps on a logarithmic axis.
            values: (_, values) => values.map((value) => value === null ? null : format(value)),
          },
        ],
        series: [
          {},
          ...series.map((one) => ({
            label: one.label,
            stroke: color(one.color),
            width: 1.75,
            dash: DASHES[one.style],
            points: { show: false },
          })),
        ],
        hooks: {
          setCursor: [(plot) => {
            this.#pointed = plot.cursor.idx ?? null;
            this.#showValues();
          }],
        },
      },
      this.#data(),
      this.#plotBox,
    );
  }

  /** The time span shown: it grows with the data up to the whole range. */
  #range(): { min: number; max: number } {
    const { times } = this.#rows;
    const max = times.at(-1) ?? Date.now() / 1000;
    const span = Math.min(this.#spanS, Math.max(MIN_SPAN_S, max - (times[0] ?? max)));
    return { min: max - span, max };
  }

  #data(): uPlot.AlignedData {
    return [this.#rows.times, ...this.#rows.columns] as uPlot.AlignedData;
  }

  #showValues(): void {
    const { times, columns } = this.#rows;
    const at = this.#pointed ?? times.length - 1;
    for (const [i, element] of this.#values.entries()) {
      const value = columns[i]![at] ?? null;
      // Hide series without data, such as those of a service that is off.
      element.parentElement!.hidden = columns[i]!.every((one) => one === null);
      setText(element, value === null ? "–" : this.#options.format(value));
    }
    this.#nothing.hidden = columns.some((column) => column.some((one) => one !== null));
    const time = times[at];
    setText(this.#time, this.#pointed === null || time === undefined ? "" : this.#timeOfDay(time));
  }

  #timeOfDay(seconds: number): string {
    const time = formatTime(seconds * 1000);
    return this.#spanS < LONG_SPAN_S ? time : time.slice(0, 5);
  }
}

/** Upper end of a logarithmic axis on which a value fits. */
function decadeAbove(max: number | null): number {
  return 10 ** Math.ceil(Math.log10(Math.max(max ?? 0, 100 * LOG_MIN_S)));
}

/** Drops the grid lines between the decades of a logarithmic axis. */
function decadesOnly(_: uPlot, splits: number[]): (number | null)[] {
  return splits.map((value) =>
    Number.isInteger(Number(Math.log10(value).toFixed(6))) ? value : null
  );
}

/** A short piece of a line, as the chart draws it. */
function swatchOf({ color, style }: SeriesOptions): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "line");
  const attributes = { x1: "0", y1: "3", x2: "26", y2: "3", "stroke-width": "2.5" };
  for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
  if (style !== "solid") line.setAttribute("stroke-dasharray", DASHES[style].join(" "));
  svg.setAttribute("class", `swatch ${color}`);
  svg.setAttribute("viewBox", "0 0 26 6");
  svg.setAttribute("aria-hidden", "true");
  svg.append(line);
  return svg;
}

/** The computed value of a colour property: a canvas cannot resolve custom properties. */
function colorOf(element: HTMLElement, name: string): string {
  element.style.color = `var(--${name})`;
  const { color } = getComputedStyle(element);
  element.style.color = "";
  return color;
}
