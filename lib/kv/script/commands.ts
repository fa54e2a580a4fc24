/**
 * EVAL and its variants, and SCRIPT.
 *
 * @module
 */

import { parseInt64 } from "../int64.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { type Command, type KeyWork, subcommandsOf } from "../commands/command.ts";
import type { CommandContext } from "../commands/context.ts";
import type { ScriptEngine } from "./script_engine.ts";
import type { CachedScript } from "./script_cache.ts";

const group = "scripting";

const NOT_AN_INTEGER = new ErrorReply("ERR value is not an integer or out of range");
const NO_SCRIPT = new ErrorReply("NOSCRIPT No matching script. Please use EVAL.");
const NOT_BUSY = new ErrorReply("NOTBUSY No scripts in execution right now.");
const NOT_A_FLUSH_OPTION = new ErrorReply("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
const NO_DEBUGGER = new ErrorReply("ERR The debugger of scripts is not supported");

const HELP = [
  "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "EXISTS <sha1> [<sha1> ...]",
  "    Return for each hash whether its script is cached.",
  "FLUSH [ASYNC|SYNC]",
  "    Forget all cached scripts.",
  "KILL",
  "    Does nothing: a script ends before any other command runs.",
  "LOAD <script>",
  "    Cache a script without running it; return its hash.",
  "HELP",
  "    Print this help.",
];

/** The commands that run scripts in an engine. */
export function scriptCommands(engine: ScriptEngine): readonly Command[] {
  function evaluate(find: (request: Request) => CachedScript, options: { readOnly: boolean }) {
    return (request: Request, context: CommandContext): KeyWork => {
      const script = find(request);
      const readOnly = script.readOnly || options.readOnly;
      const keyCount = keyCountOf(request);
      const keys: string[] = [], args = [];
      let at = 3;
      for (; at < 3 + keyCount; at++) keys.push(request.text(at));
      for (; at < request.count; at++) args.push(request.value(at));
      return engine.work({ script, keys, args, readOnly }, context);
    };
  }

  function bySource(request: Request): CachedScript {
    return engine.load(request.text(1));
  }

  function byHash(request: Request): CachedScript {
    const script = engine.scripts.find(request.text(1, 64));
    if (script === undefined) throw NO_SCRIPT;
    return script;
  }

  function exists(request: Request): Reply {
    const found: Reply[] = [];
    for (let at = 2; at < request.count; at++) {
      found.push(engine.scripts.has(request.text(at, 64)) ? 1 : 0);
    }
    return found;
  }

  function flush(request: Request): Reply {
    const fits = request.count === 2 || /^A?SYNC$/.test(request.option(2));
    if (request.count > 3 || !fits) return NOT_A_FLUSH_OPTION;
    engine.scripts.clear();
    return OK;
  }

  const ready = () => engine.ready();
  const flags = ["noscript", "skip_monitor", "movablekeys"];
  const readOnlyFlags = ["readonly", ...flags];
  const subcommand = subcommandsOf({ flags: ["noscript"], group, since: "2.6.0" });
  return [
    {
      name: "eval",
      arity: -3,
      flags,
      group,
      summary: "Runs a script.",
      since: "2.6.0",
      ready,
      action: { kind: "keys", prepare: evaluate(bySource, { readOnly: false }) },
    },
    {
      name: "evalsha",
      arity: -3,
      flags,
      group,
      summary: "Runs a cached script.",
      since: "2.6.0",
      ready,
      action: { kind: "keys", prepare: evaluate(byHash, { readOnly: false }) },
    },
    {
      name: "eval_ro",
      arity: -3,
      flags: readOnlyFlags,
      group,
      summary: "Runs a script that must not write.",
      since: "7.0.0",
      ready,
      action: { kind: "keys", prepare: evaluate(bySource, { readOnly: true }) },
    },
    {
      name: "evalsha_ro",
      arity: -3,
      flags: readOnlyFlags,
      group,
      summary: "Runs a cached script that must not write.",
      since: "7.0.0",
      ready,
      action: { kind: "keys", prepare: evaluate(byHash, { readOnly: true }) },
    },
    {
      name: "script",
      arity: -2,
      flags: ["noscript"],
      group,
      summary: "Manages the cached scripts.",
      since: "2.6.0",
      action: { kind: "session", run: () => HELP },
      subcommands: [
        {
          ...subcommand(
            "load",
            3,
            "Caches a script.",
            (request) => engine.load(request.text(2)).hash,
          ),
          ready,
        },
        subcommand("exists", -3, "Returns which scripts are cached.", exists),
        subcommand("flush", -2, "Forgets all cached scripts.", flush),
        subcommand("kill", 2, "Does nothing: no script runs meanwhile.", () => NOT_BUSY),
        subcommand("debug", 3, "Always fails: there is no debugger.", () => NO_DEBUGGER),
        subcommand("help", 2, "Describes the subcommands.", () => HELP),
      ],
    },
  ];
}

/** The number of keys: the argument after the script. */
function keyCountOf(request: Request): number {
  const count = parseInt64(request.text(2, 32));
  if (count === undefined) throw NOT_AN_INTEGER;
  if (count > request.count - 3) {
    throw new ErrorReply("ERR Number of keys can't be greater than number of args");
  }
  if (count < 0) throw new ErrorReply("ERR Number of keys can't be negative");
  return Number(count);
}
