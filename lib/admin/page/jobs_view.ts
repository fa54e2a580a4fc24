/// <reference lib="dom" />
import { confirmed } from "./confirm.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId, KeyedChildren, make, setAttribute, setText } from "./dom.ts";
import { formatAge, formatCount } from "./format.ts";
import { total } from "./interval.ts";
import type { JobDialog } from "./job_dialog.ts";
import type { Notices } from "./notices.ts";
import { Pager } from "./pager.ts";
import { Poller } from "./poller.ts";
import { act, askTask } from "./task_api.ts";
import { type JobJson, type JobsJson, type JobState, LISTED_STATES } from "./task_json.ts";

/** How many jobs are on a page. */
const PAGE_JOBS = 50;

/** How often the list is read while it is shown. */
const REFRESH_MS = 2000;

/** What is listed; it is in the fragment of the page's URL, so that it can be shared. */
interface Place {
  tube: string;
  state: JobState;
  from: number;
}

/** The URL of the list of a tube's jobs on this page. */
export function jobsUrl({ tube, state, from = 0 }: Partial<Place> & { tube: string }): string {
  const fields = new URLSearchParams({ tube });
  if (state !== undefined) fields.set("state", state);
  if (from > 0) fields.set("from", String(from));
  return `#${fields}`;
}

/** The jobs section of the page: the jobs of one tube in one state. */
export class JobsView {
  readonly #notices: Notices;
  readonly #section = byId("jobs-section");
  readonly #move = byId<HTMLFormElement>("jobs-move");
  readonly #flush = byId<HTMLButtonElement>("jobs-flush");
  readonly #tabs = new Map<JobState, HTMLAnchorElement>();
  readonly #rows: KeyedChildren<JobRow>;
  readonly #pager = new Pager(PAGE_JOBS, "jobs", (from) => this.#turn(from));
  readonly #poller: Poller<JobsJson>;
  #daemon: DaemonJson | undefined;
  #place: Place | null = null;
  #shown: JobsJson = { jobs: [], end: Infinity };

  constructor(notices: Notices, dialog: JobDialog) {
    this.#notices = notices;
    this.#move.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#moveAll(byId<HTMLInputElement>("jobs-move-to").value);
    });
    this.#flush.addEventListener("click", () => void this.#flushAll());
    this.#rows = new KeyedChildren(byId("jobs"), (id) => new JobRow(Number(id), dialog));
    this.#poller = new Poller(
      () => askTask<JobsJson>("jobs", { ...this.#place!, count: PAGE_JOBS }),
      {
        show: (answer) => this.#show(answer),
        fail: (message) => this.#show({ jobs: [], end: Infinity }, message),
        everyMs: REFRESH_MS,
      },
    );
    for (const state of LISTED_STATES) {
      const tab = make("a", {});
      this.#tabs.set(state, tab);
      byId("jobs-states").append(tab);
    }
    byId("jobs-pager").append(this.#pager.root);
    addEventListener("hashchange", () => this.#go());
  }

  /** Shows the daemon's current state. */
  update(daemon: DaemonJson): void {
    const first = this.#daemon === undefined;
    this.#daemon = daemon;
    if (first) return this.#go();
    if (this.#place === null) return;
    this.#count();
    this.#poller.tick();
  }

  /** Reads the list again, because a job has changed. */
  refresh(): void {
    if (this.#place !== null) void this.#poller.now();
  }

  /** Shows the place that the URL names. */
  #go(): void {
    const fields = new URLSearchParams(location.hash.slice(1));
    const tube = fields.get("tube");
    this.#section.hidden = tube === null;
    this.#poller.stop();
    if (tube === null) {
      this.#place = null;
      return;
    }
    const opens = this.#place?.tube !== tube;
    const state = LISTED_STATES.find((state) => state === fields.get("state")) ??
      this.#busiest(tube);
    this.#place = { tube, state, from: Math.floor(Number(fields.get("from"))) || 0 };
    setText(byId("jobs-title"), `Jobs in ${tube}`);
    for (const [name, tab] of this.#tabs) {
      setAttribute(tab, "href", jobsUrl({ tube, state: name }));
      setAttribute(tab, "aria-current", name === state ? "true" : null);
    }
    this.#show({ jobs: [], end: Infinity }, "Loading…");
    this.#count();
    void this.#poller.now();
    if (opens) this.#section.scrollIntoView({ block: "nearest" });
  }

  /** Moves all jobs of the tube that no worker has, once the user has confirmed it. */
  async #moveAll(to: string): Promise<void> {
    const { tube } = this.#place!;
    const question = {
      title: `Move all jobs of ${tube} to ${to}?`,
      text: "Those that a worker has stay. Failed attempts count from zero again.",
      yes: "Move all",
      no: "Leave them",
    };
    if (await confirmed(question)) await this.#run(act("move", { tube, to }));
  }

  /** Deletes the jobs in the state that is shown, once the user has confirmed it. */
  async #flushAll(): Promise<void> {
    const { tube, state } = this.#place!;
    const question = {
      title: `Delete all ${state} jobs of ${tube}?`,
      text: "Their bodies are lost, and no worker gets them.",
      yes: "Delete all",
      no: "Keep them",
    };
    if (await confirmed(question)) await this.#run(act("flush", { tube, state }));
  }

  async #run(action: Promise<string>): Promise<void> {
    await this.#notices.follow(action);
    this.refresh();
  }

  #turn(from: number): void {
    if (this.#place !== null) location.hash = jobsUrl({ ...this.#place, from });
  }

  #show(answer: JobsJson, note = ""): void {
    const { state } = this.#place!;
    this.#shown = answer;
    const rows = this.#rows.update(answer.jobs.map(({ id }) => String(id)));
    for (const [i, row] of rows.entries()) row.update(answer.jobs[i]!);
    byId("jobs-table").hidden = rows.length === 0;
    setText(byId("jobs-note"), rows.length > 0 ? "" : note || `There are no ${state} jobs.`);
    this.#count();
  }

  /** Shows how many jobs there are. */
  #count(): void {
    const { tube, state, from } = this.#place!;
    for (const [name, tab] of this.#tabs) {
      const jobs = this.#jobsIn(tube, name);
      setText(tab, `${name} ${formatCount(jobs)}`);
      // Few queues hold jobs back, so that state is shown only if there is something to see.
      tab.hidden = name === "held" && jobs === 0 && state !== "held";
    }
    this.#flush.hidden = state === "reserved" || this.#daemon!.readOnly !== null;
    this.#move.hidden = this.#daemon!.readOnly !== null;
    setText(this.#flush, `Delete all ${state} jobs`);
    const items = this.#jobsIn(tube, state);
    this.#pager.update(from, this.#shown.jobs.length, { items, listed: this.#shown.end });
  }

  /** The first state of a tube that has jobs. */
  #busiest(tube: string): JobState {
    return LISTED_STATES.find((state) => this.#jobsIn(tube, state) > 0) ?? "ready";
  }

  #jobsIn(tube: string, state: JobState): number {
    return total(this.#daemon!, "quartet_task_jobs", { tube, state }) ?? 0;
  }
}

class JobRow {
  readonly root = make("tr", { role: "row" });
  readonly #priority = cell("priority", "number");
  readonly #age = cell("age", "number");
  readonly #attempts = cell("attempts", "number");
  readonly #left = cell("time left", "number");
  readonly #body = make("code", { class: "excerpt" });
  readonly #progress = make("span", { class: "job-progress" });
  readonly #reason = make("span", { class: "reason" });

  constructor(id: number, dialog: JobDialog) {
    const open = make("button", { type: "button", class: "link" }, String(id));
    open.setAttribute("aria-label", `Job ${id}`);
    open.addEventListener("click", () => dialog.open(id));
    const content = cell("body", "content");
    content.append(this.#body, this.#progress, this.#reason);
    this.root.append(
      make("th", { scope: "row", role: "rowheader" }, open),
      this.#priority,
      this.#age,
      this.#attempts,
      this.#left,
      content,
    );
  }

  update({ priority, ageMs, attempts, leftMs, state, body, progress, reason }: JobJson): void {
    const timed = state === "reserved" || state === "delayed";
    setText(this.#priority, String(priority));
    setText(this.#age, formatAge(ageMs / 1000));
    setText(this.#attempts, String(attempts));
    setText(this.#left, timed ? formatAge(leftMs / 1000) : "–");
    setText(this.#body, body.bytes === 0 ? "(empty)" : body.text);
    this.#body.classList.toggle("binary", !body.isText);
    setText(this.#progress, progress);
    this.#progress.hidden = progress === "";
    setText(this.#reason, reason);
    this.#reason.hidden = reason === "";
  }
}

function cell(label: string, kind: string): HTMLElement {
  return make("td", { class: kind, role: "cell", "data-label": label });
}
