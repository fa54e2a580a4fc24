/// <reference lib="dom" />
import type { DaemonJson } from "./daemon_json.ts";
import { byId, KeyedChildren, make, setAttribute, setText } from "./dom.ts";
import { formatAge } from "./format.ts";

/** What the task service reports about a schedule. Times are in Unix time, in milliseconds. */
interface ScheduleJson {
  name: string;
  timing: string;
  tube: string;
  nextAt: number | null;
  lastAt: number | null;
  job: number | null;
}

class ScheduleRow {
  // Explicit roles, as in the table of tubes.
  readonly root = make("tr", { role: "row" });
  readonly #timing = make("td", { role: "cell", "data-label": "runs" });
  readonly #tube = make("code");
  readonly #next = make("td", { class: "number", role: "cell", "data-label": "next run" });
  readonly #last = make("td", { class: "number", role: "cell", "data-label": "last run" });
  readonly #job = make("td", { class: "number", role: "cell", "data-label": "its job" });

  constructor(name: string) {
    this.root.append(
      make("th", { scope: "row", role: "rowheader" }, make("code", {}, name)),
      this.#timing,
      make("td", { role: "cell", "data-label": "tube" }, this.#tube),
      this.#next,
      this.#last,
      this.#job,
    );
  }

  update({ timing, tube, nextAt, lastAt, job }: ScheduleJson, nowMs: number): void {
    setText(this.#timing, timing);
    setText(this.#tube, tube);
    showTime(this.#next, nextAt, (ms) => `in ${formatAge((ms - nowMs) / 1000)}`);
    showTime(this.#last, lastAt, (ms) => `${formatAge((nowMs - ms) / 1000)} ago`);
    setText(this.#job, job === null ? "–" : String(job));
  }
}

/** Shows a moment as the time to or since it; the date is its tooltip. */
function showTime(cell: HTMLElement, ms: number | null, format: (ms: number) => string): void {
  setText(cell, ms === null ? "–" : format(ms));
  setAttribute(cell, "title", ms === null ? null : new Date(ms).toLocaleString());
}

/** The schedules section of the page: when each one runs, and when it last ran. */
export class SchedulesView {
  readonly #section = byId("schedules-section");
  readonly #rows = new KeyedChildren(byId("schedules"), (name) => new ScheduleRow(name));

  /** Shows what the daemon reports. The section is hidden while there are no schedules. */
  update(daemon: DaemonJson): void {
    const task = daemon.services.find(({ name }) => name === "task");
    const schedules = (task?.status as { schedules?: ScheduleJson[] } | null)?.schedules ?? [];
    this.#section.hidden = schedules.length === 0;
    const rows = this.#rows.update(schedules.map(({ name }) => name));
    for (const [i, row] of rows.entries()) row.update(schedules[i]!, daemon.nowMs);
  }
}
