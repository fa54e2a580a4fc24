/**
 * The metrics that the kv service exports.
 *
 * @module
 */

import type { Metric, Sample } from "../metrics.ts";
import { commitMetrics } from "../storage/commit_metrics.ts";
import { databaseMetrics } from "../storage/database_metrics.ts";
import type { ServerState } from "./commands/context.ts";

/** The current metrics. */
export function kvMetrics(server: ServerState): Metric[] {
  const { metrics, store, cursors } = server;
  const { bytes, keys, estimatedKeys, maxBytes, evicted, database, ...commits } = store.metrics();
  const commands: Sample[] = [];
  const add = (language: string, command: string, value: number) => {
    if (value > 0) commands.push({ labels: { service: "kv", language, command }, value });
  };
  for (const { fullName, index } of server.commands.all) {
    add("resp", fullName, metrics.calls[index]!);
  }
  for (const [name, calls] of metrics.textCalls) add("text", name, calls);
  const one = (type: "counter" | "gauge", name: string, help: string, value: number): Metric => (
    { type, name, help, samples: [{ value }] }
  );
  return [
    { type: "counter", name: "commands_total", help: "Commands run.", samples: commands },
    {
      type: "histogram",
      name: "command_duration_seconds",
      help: "Duration of a command: its share of its batch. One batch in 16 is timed.",
      samples: [{ labels: { service: "kv" }, histogram: metrics.duration }],
    },
    {
      type: "counter",
      name: "kv_errors_total",
      help: "Errors sent to clients, by code.",
      samples: [...metrics.errors].map(([code, value]) => ({ labels: { code }, value })),
    },
    one(
      "counter",
      "kv_rejected_requests_total",
      "Requests with an unknown command or the wrong number of arguments.",
      metrics.rejected,
    ),
    one(
      "counter",
      "kv_protocol_errors_total",
      "Connections closed because of a protocol error.",
      metrics.protocolErrors,
    ),
    one("gauge", "kv_scan_cursors", "SCAN cursors in memory.", cursors.size),
    one("gauge", "kv_max_memory_bytes", "The maximum size of keys and values.", maxBytes),
    ...(bytes === undefined
      ? []
      : [one("gauge", "kv_memory_bytes", "The size of keys and values.", bytes)]),
    ...(evicted === undefined
      ? []
      : [one("counter", "kv_evicted_keys_total", "Keys evicted to make room.", evicted)]),
    ...(keys === undefined ? [] : [one("gauge", "kv_keys", "Keys in all databases.", keys)]),
    ...(estimatedKeys === undefined ? [] : [one(
      "gauge",
      "kv_estimated_keys",
      "Keys as estimated by the database, including expired keys not yet removed.",
      estimatedKeys,
    )]),
    ...commitMetrics("kv", commits),
    ...(database === undefined ? [] : databaseMetrics("kv", database)),
  ];
}
