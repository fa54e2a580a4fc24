/**
 * Runs a daemon whose only service is kv, with the arguments of `quartet serve`. It starts in
 * little more than half the CPU time of the whole program, which matters to a test that starts it
 * fifty times.
 *
 * If the environment has QUARTET_TEST_KILL_AT, it kills itself at that step of writing its SQLite file,
 * and writes snapshots without pause.
 *
 * @module
 */

import { loadConfig } from "../../lib/config/load.ts";
import { Daemon } from "../../lib/daemon/daemon.ts";
import { kv } from "../../lib/kv/mod.ts";
import { createLog, type LogOptions } from "../../lib/log.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import { SqliteLog } from "../../lib/storage/sqlite/sqlite_log.ts";

const killAt = Deno.env.get("QUARTET_TEST_KILL_AT");
if (killAt !== undefined) {
  const open = SqliteLog.open;
  const fault = { point: "any", action: "kill", at: Number(killAt) } as const;
  SqliteLog.open = (path, options) =>
    open.call(SqliteLog, path, { ...options, fault, minLogBytes: 1 });
}

const [, , file] = Deno.args;
const { config } = loadConfig({
  file: file!,
  text: Deno.readTextFileSync(file!),
  overrides: [],
  env: (name) => Deno.env.get(name),
  readFile: Deno.readTextFileSync,
}, [kv]);
const options: LogOptions = {
  ...config.log,
  sink: (lines) => {
    for (let at = 0; at < lines.length;) at += Deno.stderr.writeSync(lines.subarray(at));
  },
};
await Daemon.start(config, {
  services: [kv],
  createLog: (part) => createLog(part, options),
  recentLog: new RecentLog(),
});
createLog("daemon", options).info("Ready");
