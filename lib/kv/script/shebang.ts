/**
 * The first line of a script, if it starts with `#!`: the engine and the script's flags.
 *
 * @module
 */

import { ErrorReply } from "../resp/reply.ts";

/** Flags of Redis, of which only `no-writes` has a meaning here. */
const FLAGS: ReadonlySet<string> = new Set([
  "no-writes",
  "allow-oom",
  "allow-stale",
  "no-cluster",
  "allow-cross-slot-keys",
]);

/** A script without its first line. */
export interface Parsed {
  /** The source, with an empty line in place of the first, so that line numbers stay. */
  readonly text: string;
  /** Whether the script promises not to write. */
  readonly readOnly: boolean;
}

/**
 * Parses the first line of a script.
 *
 * @throws {ErrorReply} If it names another engine or an unknown flag.
 */
export function parseShebang(source: string): Parsed {
  if (!source.startsWith("#!")) return { text: source, readOnly: false };
  const end = source.indexOf("\n");
  if (end < 0) throw new ErrorReply("ERR Invalid script shebang");
  const [engine, ...options] = source.slice(0, end).trim().split(/\s+/);
  if (engine !== "#!lua") {
    throw new ErrorReply(`ERR Unexpected engine in script shebang: ${engine!.slice(0, 128)}`);
  }
  let readOnly = false;
  for (const option of options) {
    const flags = /^flags=(.*)$/.exec(option)?.[1];
    if (flags === undefined) {
      throw new ErrorReply(`ERR Unknown lua shebang option: ${option.slice(0, 128)}`);
    }
    for (const flag of flags.split(",").filter((flag) => flag !== "")) {
      if (!FLAGS.has(flag)) {
        throw new ErrorReply(`ERR Unexpected flag in script shebang: ${flag.slice(0, 128)}`);
      }
      if (flag === "no-writes") readOnly = true;
    }
  }
  return { text: source.slice(end), readOnly };
}
