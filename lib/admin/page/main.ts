/**
 * The page: asks for the daemon once a second and shows it. `deno task page` bundles it.
 *
 * @module
 */

/// <reference lib="dom" />
import { fetchDaemon } from "./api.ts";
import { ChartsView } from "./charts_view.ts";
import { ConsoleView } from "./console_view.ts";
import type { DaemonJson } from "./daemon_json.ts";
import { byId } from "./dom.ts";
import { Interval } from "./figures.ts";
import { formatTime } from "./format.ts";
import { HeaderView } from "./header_view.ts";
import { LogView } from "./log_view.ts";
import { MeshView } from "./mesh_view.ts";
import { Notices } from "./notices.ts";
import { ServicesView } from "./services_view.ts";
import { TubesView } from "./tubes_view.ts";

const POLL_MS = 1000;

const notices = new Notices(byId("notice"));
const header = new HeaderView();
const services = new ServicesView(notices);
const charts = new ChartsView(byId("charts"));
const tubes = new TubesView(notices);
const mesh = new MeshView();
const consoleView = new ConsoleView(notices);
const log = new LogView();

let last: DaemonJson | undefined;
let logPosition = 0;
let lostSinceMs: number | undefined;

function show(daemon: DaemonJson): void {
  const restarted = last !== undefined && last.startedMs !== daemon.startedMs;
  const figures = last === undefined || restarted ? undefined : new Interval(last, daemon);
  if (restarted) notices.say(`The daemon was restarted at ${formatTime(daemon.startedMs)}.`);
  else if (lostSinceMs !== undefined) notices.say("The daemon answers again.");
  lostSinceMs = undefined;
  last = daemon;
  header.update(daemon);
  services.update(daemon, figures);
  tubes.update(daemon);
  mesh.update(daemon);
  consoleView.update(daemon);
  if (figures !== undefined) charts.add(Date.now(), figures);
  // Positions of another process mean nothing here: its log is asked for from the beginning.
  if (!restarted) log.add(daemon.log.lines);
  logPosition = restarted ? 0 : daemon.log.position;
}

async function poll(): Promise<void> {
  let daemon: DaemonJson;
  try {
    daemon = await fetchDaemon(logPosition);
  } catch (error) {
    // Whatever it is (no connection, no answer in time, no JSON), it is for the person to see.
    if (!(error instanceof Error)) throw error;
    lostSinceMs ??= Date.now();
    header.lost(lostSinceMs);
    charts.addGap(Date.now());
    return;
  }
  try {
    show(daemon);
  } catch (error) {
    // A mistake of ours in one view; the next second may do better.
    reportError(error);
  }
}

for (;;) {
  const startedMs = performance.now();
  await poll();
  const restMs = Math.max(100, POLL_MS - (performance.now() - startedMs));
  await new Promise((resolve) => setTimeout(resolve, restMs));
}
