/**
 * What CONFIG knows. The settings of the service are in its configuration file and are only shown
 * here, under the names that Redis has for them. A few that clients and test suites set as a matter
 * of course are taken and remembered, without any effect.
 *
 * @module
 */

import { parseInt64 } from "../int64.ts";

/** What a setting takes. */
type Kind = "yes or no" | "memory" | "number" | "text" | "fixed";

const KINDS: Readonly<Record<string, Kind>> = {
  "appendfsync": "text",
  "appendonly": "yes or no",
  "bind": "fixed",
  "databases": "fixed",
  "list-max-listpack-size": "number",
  "maxclients": "fixed",
  "maxmemory": "memory",
  "maxmemory-policy": "text",
  "port": "fixed",
  "proto-max-bulk-len": "memory",
  "save": "text",
  "set-max-intset-entries": "number",
  "slowlog-log-slower-than": "number",
  "timeout": "number",
};

/** The settings of a service. */
export class Settings {
  readonly #values: Map<string, string>;

  /** @param values What is in force; what is left out is empty or 0. */
  constructor(values: Readonly<Record<string, string>>) {
    const initial = (kind: Kind) => kind === "number" || kind === "memory" ? "0" : "";
    this.#values = new Map(
      Object.entries(KINDS).map(([name, kind]) => [name, values[name] ?? initial(kind)]),
    );
  }

  /** All names and values. */
  entries(): Iterable<[string, string]> {
    return this.#values;
  }

  /** Whether there is a setting of that name. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Why a value cannot be set; `undefined` if it can. */
  problem(name: string, value: string): string | undefined {
    switch (KINDS[name]) {
      case "fixed":
        return "can't set immutable config";
      case "yes or no":
        return /^(yes|no)$/i.test(value) ? undefined : "argument must be 'yes' or 'no'";
      case "memory":
        return parseMemory(value) === undefined ? "argument must be a memory value" : undefined;
      case "number":
        return parseInt64(value) === undefined
          ? "argument couldn't be parsed into an integer"
          : undefined;
      default:
        return undefined;
    }
  }

  /** Remembers a value that has no problem. */
  set(name: string, value: string): void {
    this.#values.set(name, KINDS[name] === "memory" ? String(parseMemory(value)) : value);
  }
}

/** An amount of memory such as "100mb" in bytes. */
function parseMemory(text: string): number | undefined {
  const match = /^(\d{1,15})(b|k|kb|m|mb|g|gb)?$/i.exec(text);
  if (match === null) return undefined;
  const units: Record<string, number> = {
    "": 1,
    b: 1,
    k: 1e3,
    kb: 1024,
    m: 1e6,
    mb: 1024 ** 2,
    g: 1e9,
    gb: 1024 ** 3,
  };
  return Number(match[1]) * units[(match[2] ?? "").toLowerCase()]!;
}
