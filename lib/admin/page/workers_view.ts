/// <reference lib="dom" />
import type { DaemonJson } from "./daemon_json.ts";
import { byId, KeyedChildren, make, setText } from "./dom.ts";
import { formatAge } from "./format.ts";
import type { JobDialog } from "./job_dialog.ts";
import type { Notices } from "./notices.ts";
import { Pager } from "./pager.ts";
import { Poller } from "./poller.ts";
import { act, askTask } from "./task_api.ts";
import type { WorkerJson, WorkersJson } from "./task_json.ts";

/** How many workers are on a page: as many as the daemon lists at once. */
const PAGE_WORKERS = 100;

/** How often the list is read. */
const REFRESH_MS = 2000;

/** The workers section of the page: what each does, and a button that makes it quiet. */
export class WorkersView {
  readonly #section = byId("workers-section");
  readonly #rows: KeyedChildren<WorkerRow>;
  readonly #pager = new Pager(PAGE_WORKERS, "workers", (from) => this.#turn(from));
  readonly #poller: Poller<WorkersJson>;
  #from = 0;
  #readOnly = true;

  constructor(notices: Notices, dialog: JobDialog) {
    const changed = () => void this.#poller.now();
    this.#rows = new KeyedChildren(
      byId("workers"),
      (number) => new WorkerRow(Number(number), { notices, dialog, changed }),
    );
    this.#poller = new Poller(() => askTask<WorkersJson>("workers", { from: this.#from }), {
      show: (answer) => this.#show(answer),
      fail: (message) => this.#show({ workers: [], total: 0 }, message),
      everyMs: REFRESH_MS,
    });
    byId("workers-pager").append(this.#pager.root);
  }

  /** Shows the daemon's current state. */
  update(daemon: DaemonJson): void {
    const task = daemon.services.find(({ name }) => name === "task");
    this.#readOnly = daemon.readOnly !== null;
    // Users who may not make changes may not see clients either.
    this.#section.hidden = this.#readOnly || !(task?.actions.includes("quiet") ?? false);
    if (!this.#section.hidden) this.#poller.tick();
  }

  #turn(from: number): void {
    this.#from = from;
    void this.#poller.now();
  }

  #show({ workers, total }: WorkersJson, note = ""): void {
    // The last page may have become empty.
    if (workers.length === 0 && this.#from > 0) return this.#turn(0);
    const rows = this.#rows.update(workers.map(({ number }) => String(number)));
    for (const [i, row] of rows.entries()) row.update(workers[i]!, this.#readOnly);
    byId("workers-table").hidden = rows.length === 0;
    setText(
      byId("workers-note"),
      rows.length > 0 ? "" : note || "No worker is connected to this daemon.",
    );
    this.#pager.update(this.#from, workers.length, { items: total, listed: Infinity });
  }
}

class WorkerRow {
  readonly root = make("tr", { role: "row" });
  readonly #address = make("code");
  readonly #port = make("span", { class: "hint" });
  readonly #tubes = cell("tubes", "names");
  readonly #state = make("span");
  readonly #since = make("span", { class: "hint" });
  readonly #jobs = make("ul", { class: "held" });
  readonly #shownJobs: KeyedChildren<{ root: HTMLElement }>;
  readonly #more = make("span", { class: "hint" });
  readonly #button = make("button", { type: "button" });
  #quiet = false;

  constructor(
    number: number,
    { notices, dialog, changed }: { notices: Notices; dialog: JobDialog; changed: () => void },
  ) {
    this.#shownJobs = new KeyedChildren(this.#jobs, (id) => {
      const open = make("button", { type: "button", class: "link" }, `job ${id}`);
      open.addEventListener("click", () => dialog.open(Number(id)));
      return { root: make("li", {}, open) };
    });
    this.#button.addEventListener("click", async () => {
      await notices.follow(act(this.#quiet ? "resume" : "quiet", { worker: number }));
      changed();
    });
    const does = cell("does", "does");
    does.append(this.#state, " ", this.#since, this.#jobs, this.#more);
    const buttons = make("td", { class: "buttons", role: "cell" }, this.#button);
    this.root.append(
      make("th", { scope: "row", role: "rowheader" }, this.#address, " ", this.#port),
      this.#tubes,
      does,
      buttons,
    );
  }

  update(worker: WorkerJson, readOnly: boolean): void {
    const { number, address, port, watches, watched, holds, held, quiet } = worker;
    this.#quiet = quiet;
    setText(this.#address, address);
    setText(this.#port, `worker ${number}, ${port} port, for ${formatAge(worker.ageMs / 1000)}`);
    const tubes = watches - watched.length;
    setText(this.#tubes, watched.join(", ") + (tubes > 0 ? ` and ${tubes} more` : ""));
    const [word, kind] = stateOf(worker);
    setText(this.#state, word);
    this.#state.className = `state ${kind}`;
    setText(this.#since, holds > 0 ? `busy for ${formatAge(worker.busyMs / 1000)}` : "");
    this.#shownJobs.update(held.map(({ id }) => String(id)));
    this.#jobs.hidden = held.length === 0;
    const jobs = holds - held.length;
    setText(this.#more, jobs > 0 ? `and ${jobs} more` : "");
    setText(this.#button, quiet ? "Resume" : "Quiet");
    this.#button.setAttribute("aria-label", `${quiet ? "Resume" : "Quiet"} worker ${number}`);
    this.#button.disabled = readOnly;
  }
}

function stateOf({ quiet, holds, waits }: WorkerJson): [string, string] {
  if (quiet) return ["quiet", "warn"];
  return holds > 0 ? ["working", "good"] : [waits ? "waiting" : "idle", ""];
}

function cell(label: string, kind: string): HTMLElement {
  return make("td", { class: kind, role: "cell", "data-label": label });
}
