/**
 * LATENCY: events that delay clients. quartet does not record them; see its metrics instead.
 *
 * @module
 */

import { ErrorReply, type Reply, ReplyMap, Verbatim } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { type Command, subcommandsOf } from "./command.ts";
import { quote, SYNTAX_ERROR } from "./errors.ts";
import { withHelp } from "./help.ts";

const group = "server";

function graph(request: Request): Reply {
  return new ErrorReply(
    `ERR No samples available for event '${quote(request.text(2, 128))}'`,
  );
}

const subcommand = subcommandsOf({
  flags: ["admin", "noscript", "loading", "stale"],
  group,
  since: "2.8.13",
});

/** LATENCY and its subcommands. */
export const LATENCY_COMMANDS: readonly Command[] = [{
  name: "latency",
  arity: -2,
  flags: [],
  group,
  summary: "Returns what is known about delays: nothing.",
  since: "2.8.13",
  action: { kind: "session", run: () => SYNTAX_ERROR },
  subcommands: withHelp("latency", group, [
    subcommand(
      "doctor",
      2,
      "Says where to find latencies.",
      () => new Verbatim("Latencies are among the metrics that the admin service exports.\n"),
    ),
    subcommand("graph", 3, "Fails: no events are recorded.", graph),
    subcommand("histogram", -2, "Returns nothing.", () => new ReplyMap([])),
    subcommand("history", 3, "Returns nothing: no events are recorded.", () => []),
    subcommand("latest", 2, "Returns nothing: no events are recorded.", () => []),
    subcommand("reset", -2, "Returns 0, the number of events that were forgotten.", () => 0),
  ]),
}];
