/**
 * What `quartet top` shows, as lines of text.
 *
 * @module
 */

import { formatAge, formatBytes, formatCount, formatLatency } from "../../admin/page/format.ts";
import type { DaemonJson, ServiceJson } from "../../admin/page/daemon_json.ts";
import { find, type Interval, total } from "../../admin/page/interval.ts";
import { escapeControls } from "../control_escaper.ts";
import type { RatedClient } from "./client_rates.ts";
import { type Column, tableLines } from "./table.ts";

/** The panels below the services. */
export const PANELS = ["clients", "tubes", "subjects", "mesh"] as const;

/** See {@linkcode PANELS}. */
export type Panel = typeof PANELS[number];

/** What is known of the daemon at one moment. */
export interface Snapshot {
  daemon: DaemonJson;
  /** The time since the last one, if that was the same process. */
  interval: Interval | undefined;
}

const DASH = "–";

/** The line about the process. */
export function headLine({ daemon, interval }: Snapshot, address: string): string {
  const memory = total(daemon, "process_resident_memory_bytes");
  const cpu = interval?.rate("process_cpu_seconds_total") ?? null;
  const delay = interval?.quantile("quartet_event_loop_delay_seconds", 0.99) ?? null;
  const problems = daemon.reasons.length === 0 ? daemon.state : "not ready";
  return [
    `quartet ${daemon.version} at ${address}: ${problems}`,
    `up ${formatAge((daemon.nowMs - daemon.startedMs) / 1000)}`,
    ...(cpu === null ? [] : [`CPU ${formatCount(100 * cpu)} %`]),
    ...(memory === null ? [] : [`memory ${formatBytes(memory)}`]),
    ...(delay === null ? [] : [`timers late by ${formatLatency(delay)} (p99)`]),
  ].join(", ");
}

/** Why the daemon is not ready, one line each. */
export function problemLines({ daemon }: Snapshot): string[] {
  return daemon.reasons.map((reason) => oneLine(`! ${reason}`));
}

const SERVICE_COLUMNS: readonly Column[] = [
  { head: "SERVICE" },
  { head: "STATE", rank: 6 },
  { head: "CONNS", right: true },
  { head: "IN/S", right: true, rank: 3 },
  { head: "OUT/S", right: true, rank: 4 },
  { head: "OPS/S", right: true },
  { head: "P50", right: true, rank: 2 },
  { head: "P99", right: true, rank: 5 },
  { head: "ABOUT", rank: 1 },
];

/** The table of services. */
export function serviceLines(snapshot: Snapshot, width: number): string[] {
  const rows = snapshot.daemon.services.map((service) => serviceRow(service, snapshot));
  return tableLines(SERVICE_COLUMNS, rows, width);
}

function serviceRow(service: ServiceJson, { daemon, interval }: Snapshot): string[] {
  const { name, running, enabled, problems } = service;
  const on = problems.length === 0 ? "running" : "unhealthy";
  const state = running ? on : enabled ? "not running" : "off";
  if (!running) return [name, state];
  const labels = { service: name };
  const bytes = (metric: string) => perSecond(interval?.rate(metric, labels), formatBytes);
  const latency = name === "echo"
    ? { metric: "quartet_echo_message_duration_seconds", labels: {} }
    : { metric: "quartet_command_duration_seconds", labels };
  const quantile = (share: number) => {
    const value = interval?.quantile(latency.metric, share, latency.labels) ?? null;
    return value === null ? DASH : formatLatency(value);
  };
  const operations = name === "echo"
    ? interval?.rate("quartet_echo_messages_total")
    : name === "admin"
    ? interval?.rate("quartet_admin_answers_total")
    : interval?.rate("quartet_commands_total", labels);
  return [
    name,
    state,
    formatCount(total(daemon, "quartet_connections", labels) ?? 0),
    bytes("quartet_received_bytes_total"),
    bytes("quartet_sent_bytes_total"),
    perSecond(operations, formatCount),
    quantile(0.5),
    quantile(0.99),
    aboutOf(service, { daemon, interval }),
  ];
}

/** What only one of the services has. */
function aboutOf({ name, status }: ServiceJson, { daemon, interval }: Snapshot): string {
  const count = (metric: string, labels = {}) => formatCount(total(daemon, metric, labels) ?? 0);
  if (name === "echo") {
    const delivered = interval?.rate("quartet_echo_delivered_messages_total");
    return `${perSecond(delivered, formatCount)} delivered, ` +
      `${count("quartet_echo_slow_clients")} slow`;
  }
  if (name === "kv") {
    const bytes = total(daemon, "quartet_kv_memory_bytes");
    if (bytes !== null) return `${count("quartet_kv_keys")} keys, ${formatBytes(bytes)}`;
    return `about ${count("quartet_kv_estimated_keys")} keys`;
  }
  if (name === "task") {
    const states = ["ready", "reserved", "delayed", "buried"];
    return states.map((state) => `${count("quartet_task_jobs", { state })} ${state}`).join(", ");
  }
  if (name === "mesh") return meshState(status);
  return "";
}

const CLIENT_COLUMNS: readonly Column[] = [
  { head: "ID", right: true },
  { head: "ADDRESS" },
  { head: "NAME", rank: 4 },
  { head: "PROTOCOL", rank: 2 },
  { head: "STATE" },
  { head: "AGE", right: true, rank: 3 },
  { head: "IN/S", right: true, rank: 5 },
  { head: "OUT/S", right: true, rank: 6 },
  { head: "IN", right: true, rank: 0 },
  { head: "OUT", right: true, rank: 1 },
];

/** The table of clients. */
export function clientLines(clients: readonly RatedClient[], width: number): string[] {
  if (clients.length === 0) return ["No client is connected."];
  const rows = clients.map((client) => [
    String(client.id),
    client.address,
    oneLine(client.name),
    client.protocol,
    client.state,
    formatAge(client.ageMs / 1000),
    perSecond(client.receivedRate, formatBytes),
    perSecond(client.sentRate, formatBytes),
    formatBytes(client.receivedBytes),
    formatBytes(client.sentBytes),
  ]);
  // A single list has no rates.
  const filled = [...CLIENT_COLUMNS.keys()].filter((i) =>
    rows.some((cells) => cells[i] !== DASH && cells[i] !== "")
  );
  const columns = filled.map((i) => CLIENT_COLUMNS[i]!);
  return tableLines(columns, rows.map((cells) => filled.map((i) => cells[i]!)), width);
}

const TUBE_STATES = ["ready", "reserved", "delayed", "buried"] as const;

/** The table of tubes, those with most jobs first. */
export function tubeLines({ daemon }: Snapshot, width: number): string[] {
  const tubes = new Map<string, Record<string, number>>();
  for (const { labels, value } of find(daemon, "quartet_task_jobs")) {
    const { tube = "", state = "" } = labels;
    const counts = tubes.get(tube) ?? {};
    counts[state] = value;
    tubes.set(tube, counts);
  }
  if (tubes.size === 0) return ["There are no tubes."];
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);
  const rows = [...tubes].sort(([, a], [, b]) => sum(b) - sum(a)).map(([tube, counts]) => [
    oneLine(tube),
    ...TUBE_STATES.map((state) => formatCount(counts[state] ?? 0)),
  ]);
  const numbers = TUBE_STATES.map((state) => ({ head: state.toUpperCase(), right: true }));
  return tableLines([{ head: "TUBE" }, ...numbers], rows, width);
}

/** The table of subjects, the busiest first. */
export function subjectLines({ daemon, interval }: Snapshot, width: number): string[] {
  const metric = "quartet_bus_subject_messages_total";
  const subjects = find(daemon, metric).map(({ labels: { subject = "" }, value }) => (
    { subject, value, rate: interval?.rate(metric, { subject }) ?? 0 }
  ));
  if (subjects.length === 0) return ["Nothing has been published."];
  subjects.sort((a, b) => b.rate - a.rate || b.value - a.value);
  const rows = subjects.map((
    { subject, value, rate },
  ) => [`${formatCount(rate)}/s`, formatCount(value), oneLine(subject)]);
  const columns = [
    { head: "MESSAGES/S", right: true },
    { head: "ALL", right: true },
    { head: "SUBJECT" },
  ];
  return tableLines(columns, rows, width);
}

/** What `status` of mesh says, as far as it is shown. */
interface MeshStatus {
  jobs: {
    id: number;
    state: string;
    input: string;
    output: string;
    result: string;
    progress: { node: number; phase: string; doneBytes: number; totalBytes: number }[];
  }[];
  up: number[];
}

/** The jobs of mesh and their progress. */
export function meshLines({ daemon }: Snapshot, width: number): string[] {
  const status = daemon.services.find(({ name }) => name === "mesh")?.status as MeshStatus | null;
  if (!status?.jobs?.length) return ["There are no jobs."];
  const rows = status.jobs.map(({ id, state, input, output, result, progress }) => [
    String(id),
    state,
    progress.length === 0 ? "" : progress.map((one) => `${one.node}: ${shareOf(one)}`).join(", "),
    oneLine(`${input} → ${output}`),
    oneLine(result),
  ]);
  const columns = [
    { head: "JOB", right: true },
    { head: "STATE" },
    { head: "NODES" },
    { head: "FILES" },
    { head: "RESULT", rank: 0 },
  ];
  return tableLines(columns, rows, width);
}

function meshState(status: unknown): string {
  const { jobs = [], up = [] } = (status ?? {}) as Partial<MeshStatus>;
  const running = jobs.find(({ state }) => state === "running");
  const nodes = `${up.length} ${up.length === 1 ? "node" : "nodes"} up`;
  return running === undefined ? nodes : `${nodes}, job ${running.id} is running`;
}

function shareOf({ phase, doneBytes, totalBytes }: MeshStatus["jobs"][0]["progress"][0]): string {
  return totalBytes === 0 ? phase : `${phase} ${Math.round(100 * doneBytes / totalBytes)} %`;
}

/** Text from a stranger on one line, without control characters. */
function oneLine(text: string): string {
  return escapeControls(text.replaceAll(/[\t\r\n]/g, " "));
}

function perSecond(rate: number | null | undefined, format: (value: number) => string): string {
  return rate === null || rate === undefined ? DASH : format(rate);
}
