/// <reference lib="dom" />
import { ChartsView } from "./charts_view.ts";
import { ClientsView } from "./clients_view.ts";
import { ConsoleView } from "./console_view.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId } from "./dom.ts";
import { Interval } from "./interval.ts";
import { formatTime } from "./format.ts";
import { HeaderView } from "./header_view.ts";
import { JobDialog } from "./job_dialog.ts";
import { JobsView } from "./jobs_view.ts";
import { KeysView } from "./keys_view.ts";
import { LogView } from "./log_view.ts";
import { MeshView } from "./mesh_view.ts";
import { Notices } from "./notices.ts";
import { SchedulesView } from "./schedules_view.ts";
import { ServicesView } from "./services_view.ts";
import { SubjectsView } from "./subjects_view.ts";
import { TubesView } from "./tubes_view.ts";
import { WorkersView } from "./workers_view.ts";

/** The whole page, updated with each state that the daemon reports. */
export class Page {
  readonly #notices = new Notices(byId("notice"));
  readonly #header = new HeaderView();
  readonly #services = new ServicesView(this.#notices);
  readonly #charts = new ChartsView();
  readonly #clients = new ClientsView(this.#notices);
  readonly #keys = new KeysView(this.#notices);
  readonly #subjects = new SubjectsView();
  readonly #jobDialog = new JobDialog(this.#notices, () => this.#jobs.refresh());
  readonly #jobs: JobsView = new JobsView(this.#notices, this.#jobDialog);
  readonly #tubes = new TubesView(this.#notices, this.#jobDialog);
  readonly #workers = new WorkersView(this.#notices, this.#jobDialog);
  readonly #schedules = new SchedulesView();
  readonly #mesh = new MeshView(this.#notices);
  readonly #console = new ConsoleView(this.#notices);
  readonly #log = new LogView();
  #last: DaemonJson | undefined;
  #logPosition = 0;
  /** How far the daemon's clock is ahead of the browser's. */
  #clockAheadMs = 0;
  #lostSinceMs: number | undefined;

  /** The position in the daemon's log after the last line shown. */
  get logPosition(): number {
    return this.#logPosition;
  }

  /** Shows the state of the daemon in all views. */
  show(daemon: DaemonJson): void {
    const last = this.#last;
    const restarted = last !== undefined && last.startedMs !== daemon.startedMs;
    const interval = last === undefined || restarted ? undefined : new Interval(last, daemon);
    if (restarted) {
      this.#notices.say(`The daemon was restarted at ${formatTime(daemon.startedMs)}.`);
    } else if (this.#lostSinceMs !== undefined) {
      this.#notices.say("The daemon is back.");
    }
    this.#lostSinceMs = undefined;
    this.#clockAheadMs = daemon.nowMs - Date.now();
    this.#last = daemon;
    this.#header.update(daemon);
    this.#services.update(daemon, interval);
    this.#clients.update(daemon);
    this.#keys.update(daemon);
    this.#subjects.update(daemon, interval);
    this.#tubes.update(daemon);
    this.#jobs.update(daemon);
    this.#jobDialog.update(daemon.readOnly !== null);
    this.#workers.update(daemon);
    this.#schedules.update(daemon);
    this.#mesh.update(daemon);
    this.#console.update(daemon);
    if (interval !== undefined) this.#charts.add(daemon.nowMs, interval);
    // Log positions belong to one process: after a restart, the log is read from the beginning.
    if (!restarted) this.#log.add(daemon.log.lines);
    this.#logPosition = restarted ? 0 : daemon.log.position;
  }

  /** Shows that the daemon does not answer; it counts from the first of consecutive calls. */
  showLost(): void {
    this.#lostSinceMs ??= Date.now();
    this.#header.lost(this.#lostSinceMs);
    // On the daemon's clock, as all times of the charts are.
    if (this.#last !== undefined) this.#charts.addGap(Date.now() + this.#clockAheadMs);
  }
}
