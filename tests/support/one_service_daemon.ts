/**
 * Runs a daemon that has only one service: the first argument, `kv` or `task`. The others are those
 * of quartet: `serve --config FILE`. It starts in little more than half the CPU time of the whole
 * program, which matters to a test that starts it fifty times.
 *
 * If the environment has QUARTET_TEST_KILL_AT, it kills itself at that step of writing its SQLite file,
 * and writes snapshots without pause.
 *
 * @module
 */

import { loadConfig } from "../../lib/config/load.ts";
import { Daemon } from "../../lib/daemon/daemon.ts";
import { createLog, type LogOptions } from "../../lib/log.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import type { Service } from "../../lib/service.ts";
import { SqliteLog } from "../../lib/storage/sqlite/sqlite_log.ts";

const killAt = Deno.env.get("QUARTET_TEST_KILL_AT");
if (killAt !== undefined) {
  const open = SqliteLog.open;
  const fault = { point: "any", action: "kill", at: Number(killAt) } as const;
  SqliteLog.open = (path, options) =>
    open.call(SqliteLog, path, { ...options, fault, minLogBytes: 1 });
}

const [name, , , file] = Deno.args;
const module = await import(`../../lib/${name}/mod.ts`);
// deno-lint-ignore no-explicit-any -- each service has a configuration of its own type
const service: Service<any> = module[name!];
const { config } = loadConfig({
  file: file!,
  text: Deno.readTextFileSync(file!),
  overrides: [],
  env: (name) => Deno.env.get(name),
  readFile: Deno.readTextFileSync,
}, [service]);
const options: LogOptions = {
  ...config.log,
  sink: (lines) => {
    for (let at = 0; at < lines.length;) at += Deno.stderr.writeSync(lines.subarray(at));
  },
};
await Daemon.start(config, {
  services: [service],
  createLog: (part) => createLog(part, options),
  recentLog: new RecentLog(),
});
createLog("daemon", options).info("Ready");
