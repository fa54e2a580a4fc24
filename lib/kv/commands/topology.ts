/**
 * Commands about replicas and clusters. quartet is a single server that has neither, and answers as
 * such a Redis does.
 *
 * @module
 */

import { parseInt64 } from "../int64.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { integer } from "./arguments.ts";
import { type Command, subcommandsOf } from "./command.ts";
import { SYNTAX_ERROR } from "./errors.ts";

const NO_CLUSTER = new ErrorReply("ERR This instance has cluster support disabled");

function wait(request: Request): Reply {
  integer(request, 1);
  const timeoutMs = parseInt64(request.text(2));
  if (timeoutMs === undefined) {
    return new ErrorReply("ERR timeout is not an integer or out of range");
  }
  if (timeoutMs < 0) return new ErrorReply("ERR timeout is negative");
  // No replica can ever acknowledge anything, so waiting would not change the answer.
  return 0;
}

const subcommand = subcommandsOf({ flags: ["stale"], group: "server", since: "3.0.0" });

/** The subcommands of CLUSTER that clients and tools use, and their arities. */
const CLUSTER_ARITIES: Readonly<Record<string, number>> = {
  "addslots": -3,
  "countkeysinslot": 3,
  "forget": 3,
  "getkeysinslot": 4,
  "help": 2,
  "info": 2,
  "keyslot": 3,
  "links": 2,
  "meet": -4,
  "myid": 2,
  "nodes": 2,
  "replicas": 3,
  "reset": -2,
  "setslot": -4,
  "shards": 2,
  "slaves": 3,
  "slots": 2,
};

function clusterMode(name: string, summary: string): Command {
  return {
    name,
    arity: 1,
    flags: ["fast"],
    group: "connection",
    summary,
    since: "3.0.0",
    action: { kind: "session", run: () => NO_CLUSTER },
  };
}

/** ROLE, WAIT, CLUSTER, READONLY, READWRITE and ASKING. */
export const TOPOLOGY_COMMANDS: readonly Command[] = [
  {
    name: "role",
    arity: 1,
    flags: ["noscript", "loading", "stale", "fast"],
    group: "server",
    summary: "Returns the role in replication: a master without replicas.",
    since: "2.8.12",
    action: { kind: "session", run: () => ["master", 0, []] },
  },
  {
    name: "wait",
    arity: 3,
    flags: ["noscript"],
    group: "generic",
    summary: "Returns 0, the number of replicas that have acknowledged the last writes.",
    since: "3.0.0",
    action: { kind: "session", run: wait },
  },
  {
    name: "cluster",
    arity: -2,
    flags: [],
    group: "server",
    summary: "Always fails: there is no cluster.",
    since: "3.0.0",
    action: { kind: "session", run: () => SYNTAX_ERROR },
    subcommands: Object.entries(CLUSTER_ARITIES).map(([name, arity]) =>
      subcommand(name, arity, "Always fails: there is no cluster.", () => NO_CLUSTER)
    ),
  },
  clusterMode("readonly", "Always fails: there is no cluster."),
  clusterMode("readwrite", "Always fails: there is no cluster."),
  clusterMode("asking", "Always fails: there is no cluster."),
];
