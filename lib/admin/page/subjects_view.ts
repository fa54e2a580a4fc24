/// <reference lib="dom" />
import type { BusReportJson, SubjectJson } from "../../bus/report.ts";
import { ask } from "./api.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId, KeyedChildren, make, setText } from "./dom.ts";
import { formatCount } from "./format.ts";
import type { Interval } from "./interval.ts";
import { Poller } from "./poller.ts";

/** How often the report is read while it is open. */
const REFRESH_MS = 2000;

/** How many patterns are shown. */
const SHOWN_PATTERNS = 20;

const METRIC = "quartet_bus_subject_messages_total";

/** The subjects section of the page: the busiest subjects, and the patterns subscribed to. */
export class SubjectsView {
  readonly #section = byId<HTMLDetailsElement>("subjects-section");
  readonly #rows = new KeyedChildren(byId("subjects"), (subject) => new SubjectRow(subject));
  readonly #poller: Poller<BusReportJson>;
  #interval: Interval | undefined;

  constructor() {
    this.#poller = new Poller(() => ask<BusReportJson>("/services/echo/queries/subjects", {}), {
      show: (report) => this.#show(report),
      fail: (message) => setText(byId("subjects-note"), message),
      everyMs: REFRESH_MS,
    });
    this.#section.addEventListener("toggle", () => {
      if (this.#section.open) void this.#poller.now();
    });
  }

  /** Shows the daemon's current state. */
  update({ services, readOnly }: DaemonJson, interval: Interval | undefined): void {
    this.#interval = interval;
    const isRunning = services.some(({ name, running }) => name === "echo" && running);
    this.#section.hidden = readOnly !== null || !isRunning;
    if (!this.#section.hidden && this.#section.open) this.#poller.tick();
  }

  #show({ subjects, patterns, totalPatterns }: BusReportJson): void {
    const rows = this.#rows.update(subjects.map(({ subject }) => subject));
    for (const [i, row] of rows.entries()) row.update(subjects[i]!, this.#interval);
    setText(
      byId("subjects-note"),
      subjects.length === 0
        ? "Nothing has been published more than once."
        : `The busiest subjects; ${formatCount(totalPatterns)} patterns are subscribed to.`,
    );
    byId("patterns").replaceChildren(
      ...patterns.slice(0, SHOWN_PATTERNS).map(({ pattern, group, subscribers }) => {
        const about = `${formatCount(subscribers)} ${
          subscribers === 1 ? "subscriber" : "subscribers"
        }`;
        const hint = group === "" ? about : `${about}, queue group ${group}`;
        return make("li", {}, make("code", {}, pattern), make("span", { class: "hint" }, hint));
      }),
    );
  }
}

class SubjectRow {
  readonly root = make("tr", { role: "row" });
  readonly #rate = cell("per second");
  readonly #messages = cell("messages");
  readonly #subscribers = cell("subscribers");

  constructor(subject: string) {
    const name = make("th", { scope: "row", role: "rowheader" }, make("code", {}, subject));
    this.root.append(name, this.#rate, this.#messages, this.#subscribers);
  }

  update({ subject, messages, subscribers }: SubjectJson, interval: Interval | undefined): void {
    const rate = interval?.rate(METRIC, { subject }) ?? null;
    setText(this.#rate, rate === null ? "–" : formatCount(rate));
    setText(this.#messages, formatCount(messages));
    setText(this.#subscribers, formatCount(subscribers));
  }
}

function cell(label: string): HTMLElement {
  return make("td", { class: "number", role: "cell", "data-label": label });
}
