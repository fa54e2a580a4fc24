/**
 * MEMORY: how much memory keys and the whole service take.
 *
 * @module
 */

import { OK, type Reply, ReplyMap, Verbatim } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { integer } from "./arguments.ts";
import { type Command, type KeyWork, subcommandsOf } from "./command.ts";
import type { ClientState, CommandContext } from "./context.ts";
import { SYNTAX_ERROR } from "./errors.ts";
import { withHelp } from "./help.ts";
import { placeOf } from "./places.ts";

const group = "server";

/** About what an entry takes besides its key and value. */
const ENTRY_OVERHEAD_BYTES = 56;

function usage(request: Request, { db }: CommandContext): KeyWork {
  if (request.count > 3) {
    if (request.count !== 5 || request.option(3) !== "SAMPLES") throw SYNTAX_ERROR;
    // Redis samples the elements of collections. A string has none.
    if (integer(request, 4) < 0) throw SYNTAX_ERROR;
  }
  const key = request.text(2);
  return {
    places: placeOf(db, key),
    run(tx) {
      const entry = tx.get(db, key);
      if (entry === undefined) return null;
      return ENTRY_OVERHEAD_BYTES + key.length + entry.value.length;
    },
  };
}

function stats(_request: Request, { server }: ClientState): Reply {
  const { bytes = 0, keys = 0, maxBytes } = server.store.metrics();
  const { rss, heapUsed, heapTotal, external } = Deno.memoryUsage();
  const perKey = keys === 0 ? 0 : Math.floor(bytes / keys);
  return new ReplyMap([
    ["total.allocated", heapUsed + external],
    ["replication.backlog", 0],
    ["clients.slaves", 0],
    ["aof.buffer", 0],
    ["overhead.total", Math.max(0, rss - bytes)],
    ["keys.count", keys],
    ["keys.bytes-per-key", perKey],
    ["dataset.bytes", bytes],
    ["dataset.percentage", (100 * bytes / rss).toFixed(4)],
    ["dataset.limit", maxBytes],
    ["allocator.allocated", heapUsed + external],
    ["allocator.active", heapTotal + external],
    ["allocator.resident", rss],
  ]);
}

function doctor(_request: Request, { server }: ClientState): Reply {
  const { bytes, maxBytes } = server.store.metrics();
  if (bytes === undefined) return new Verbatim("The data is in a database, not in memory.\n");
  const percent = Math.round(100 * bytes / maxBytes);
  return new Verbatim(
    percent < 90
      ? `The data takes ${percent} % of max_memory. There is no problem.\n`
      : `The data takes ${percent} % of max_memory. Writes fail or keys are evicted beyond it.\n`,
  );
}

const flags: readonly string[] = [];

const subcommand = subcommandsOf({ flags, group, since: "4.0.0" });

/** MEMORY and its subcommands. */
export const MEMORY_COMMANDS: readonly Command[] = [{
  name: "memory",
  arity: -2,
  flags,
  group,
  summary: "Returns how much memory is used.",
  since: "4.0.0",
  action: { kind: "session", run: () => SYNTAX_ERROR },
  subcommands: withHelp("memory", group, [
    {
      name: "usage",
      arity: -3,
      flags: ["readonly"],
      keys: { first: 2, last: 2, step: 1 },
      group,
      summary: "Returns about how many bytes a key and its value take.",
      since: "4.0.0",
      action: { kind: "keys", prepare: usage },
    },
    subcommand("doctor", 2, "Says whether memory is running short.", doctor),
    subcommand("stats", 2, "Returns how much memory the service takes.", stats),
    subcommand(
      "malloc-stats",
      2,
      "Returns nothing: the allocator keeps no statistics.",
      () => new Verbatim("The allocator keeps no statistics.\n"),
    ),
    subcommand("purge", 2, "Does nothing: unused memory is released without being told.", () => OK),
  ]),
}];
