/// <reference lib="dom" />
import type { DaemonJson } from "./daemon_json.ts";
import { byId, KeyedChildren, make, setText } from "./dom.ts";
import { find } from "./interval.ts";
import { formatAge, formatCount } from "./format.ts";
import type { JobDialog } from "./job_dialog.ts";
import { jobsUrl } from "./jobs_view.ts";
import type { Notices } from "./notices.ts";
import { act } from "./task_api.ts";
import { STATES } from "./task_json.ts";

type Counts = Record<typeof STATES[number], number>;

/** Number of jobs that one click kicks, at most. */
const KICK_MAX = 10_000;

function numberCell(label: string): HTMLElement {
  return make("td", { class: "number", role: "cell", "data-label": label });
}

class TubeRow {
  // Explicit roles: on narrow screens the style sheet turns rows into blocks, which drops implied ones.
  readonly root = make("tr", { role: "row" });
  readonly #cells = STATES.map((state) => numberCell(state));
  readonly #oldest = numberCell("oldest ready");
  readonly #kick: HTMLButtonElement;
  readonly #bury: HTMLButtonElement;
  #counts: Counts = { ready: 0, reserved: 0, delayed: 0, buried: 0 };

  constructor(tube: string, notices: Notices) {
    this.#kick = make(
      "button",
      { type: "button", "aria-label": `Kick jobs in ${tube}` },
      "Kick",
    );
    this.#bury = make(
      "button",
      { type: "button", "aria-label": `Bury next job in ${tube}` },
      "Bury next",
    );
    this.#kick.addEventListener("click", () => {
      const { buried, delayed } = this.#counts;
      const count = Math.min(KICK_MAX, buried > 0 ? buried : delayed);
      void notices.follow(act("kick", { tube, count }));
    });
    this.#bury.addEventListener("click", () => void notices.follow(act("bury", { tube })));
    this.root.append(
      make("th", { scope: "row", role: "rowheader" }, nameOf(tube)),
      ...this.#cells,
      this.#oldest,
      make("td", { class: "buttons", role: "cell" }, this.#kick, this.#bury),
    );
    this.#kick.hidden = this.#bury.hidden = isSum(tube);
  }

  update(counts: Counts, oldestS: number, readOnly: boolean): void {
    this.#counts = counts;
    for (const [i, state] of STATES.entries()) {
      setText(this.#cells[i]!, formatCount(counts[state]));
      this.#cells[i]!.classList.toggle("some", counts[state] > 0);
    }
    this.#cells[3]!.classList.toggle("bad", counts.buried > 0);
    setText(this.#oldest, counts.ready > 0 ? formatAge(oldestS) : "–");
    this.#kick.disabled = readOnly || counts.buried + counts.delayed === 0;
    this.#bury.disabled = readOnly || counts.ready === 0;
  }
}

/** The name of a tube, with a link to its jobs. */
function nameOf(tube: string): HTMLElement {
  const name = make("code", {}, tube);
  return isSum(tube) ? name : make("a", { href: jobsUrl({ tube }) }, name);
}

/** Whether this is the sum of the remaining tubes: real tube names contain no spaces. */
function isSum(tube: string): boolean {
  return tube.includes(" ");
}

/** The tubes section of the page: job counts per tube, and a form to find, kick and bury jobs. */
export class TubesView {
  readonly #section = byId("tubes-section");
  readonly #form = byId<HTMLFormElement>("job-form");
  readonly #rows: KeyedChildren<TubeRow>;

  constructor(notices: Notices, dialog: JobDialog) {
    this.#rows = new KeyedChildren(byId("tubes"), (tube) => new TubeRow(tube, notices));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const job = Number(byId<HTMLInputElement>("job").value);
      const { name } = event.submitter as HTMLButtonElement;
      if (name === "show") dialog.open(job);
      else void notices.follow(act(name as "kick" | "bury", { job }));
    });
  }

  /** Shows the daemon's current state. */
  update(daemon: DaemonJson): void {
    const jobs = find(daemon, "quartet_task_jobs");
    this.#section.hidden = jobs.length === 0;
    const actions = daemon.services.find(({ name }) => name === "task")?.actions ?? [];
    const readOnly = daemon.readOnly !== null || !actions.includes("kick");
    for (const control of this.#form.elements as HTMLCollectionOf<HTMLInputElement>) {
      control.disabled = readOnly && (control.name === "kick" || control.name === "bury");
    }
    const names = [...new Set(jobs.map(({ labels }) => labels["tube"] ?? ""))].sort();
    const tubes = [...names.filter((name) => !isSum(name)), ...names.filter(isSum)];
    for (const [i, row] of this.#rows.update(tubes).entries()) {
      const labels = { tube: tubes[i]! };
      const counts = { ready: 0, reserved: 0, delayed: 0, buried: 0 };
      for (const { labels: { state }, value } of find(daemon, "quartet_task_jobs", labels)) {
        if (state !== undefined && state in counts) counts[state as keyof Counts] = value;
      }
      const oldest = find(daemon, "quartet_task_oldest_ready_seconds", labels)[0]?.value ?? 0;
      row.update(counts, oldest, readOnly);
    }
  }
}
