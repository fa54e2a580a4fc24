/**
 * The settings of CONFIG GET and SET. The service is configured by its configuration file; CONFIG
 * shows those settings under their Redis names. Some settings can be changed until the next start;
 * others that clients and test suites routinely set are stored, but have no effect.
 *
 * @module
 */

import { EVICTION_POLICIES, isEvictionPolicy } from "../../storage/eviction_policy.ts";
import {
  formatEventClasses,
  parseEventClasses,
  UNKNOWN_EVENT_CLASS,
} from "../changes/event_classes.ts";
import { parseInt64 } from "../int64.ts";

/** The values that a setting accepts. */
type Kind = "yes or no" | "memory" | "number" | "policy" | "event classes" | "text" | "fixed";

const KINDS: Readonly<Record<string, Kind>> = {
  "appendfsync": "text",
  "appendonly": "yes or no",
  "bind": "fixed",
  "databases": "fixed",
  "list-max-listpack-size": "number",
  "maxclients": "fixed",
  "maxmemory": "memory",
  "maxmemory-policy": "policy",
  "notify-keyspace-events": "event classes",
  "port": "fixed",
  "proto-max-bulk-len": "memory",
  "save": "text",
  "set-max-intset-entries": "number",
  "slowlog-log-slower-than": "number",
  "slowlog-max-len": "number",
  "timeout": "number",
};

/** The smallest values of numbers that have an effect. */
const MINIMUMS: Readonly<Record<string, number>> = {
  "slowlog-log-slower-than": -1,
  "slowlog-max-len": 0,
};

/** What a setting does. */
interface Effect {
  effect: (value: string) => void;
  problem: (value: string) => string | undefined;
}

/** The settings of a service. */
export class ServerSettings {
  readonly #values: Map<string, string>;
  readonly #effects = new Map<string, Effect>();

  /** @param values The initial values; others are empty or 0. */
  constructor(values: Readonly<Record<string, string>>) {
    const initial = (kind: Kind) => kind === "number" || kind === "memory" ? "0" : "";
    this.#values = new Map(
      Object.entries(KINDS).map(([name, kind]) => [name, values[name] ?? initial(kind)]),
    );
  }

  /**
   * Has a setting take effect: calls a function with each new value.
   *
   * @param problem Returns why a value that is valid in general cannot be set here.
   */
  onChange(
    name: string,
    effect: (value: string) => void,
    problem: (value: string) => string | undefined = () => undefined,
  ): void {
    this.#effects.set(name, { effect, problem });
  }

  /** All names and values. */
  entries(): Iterable<[string, string]> {
    return this.#values;
  }

  /** The value of a setting that exists. */
  get(name: string): string {
    return this.#values.get(name)!;
  }

  /** Whether there is a setting with this name. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Why a setting rejects a value; `undefined` if it accepts it. */
  problem(name: string, value: string): string | undefined {
    return this.#kindProblem(name, value) ?? this.#effects.get(name)?.problem(value);
  }

  #kindProblem(name: string, value: string): string | undefined {
    switch (KINDS[name]) {
      case "fixed":
        return "can't set immutable config";
      case "yes or no":
        return /^(yes|no)$/i.test(value) ? undefined : "argument must be 'yes' or 'no'";
      case "memory":
        return parseMemory(value) === undefined ? "argument must be a memory value" : undefined;
      case "policy":
        return isEvictionPolicy(value)
          ? undefined
          : `argument(s) must be one of the following: ${EVICTION_POLICIES.join(", ")}`;
      case "event classes":
        return parseEventClasses(value) === undefined ? UNKNOWN_EVENT_CLASS : undefined;
      case "number":
        return numberProblem(name, value);
      default:
        return undefined;
    }
  }

  /** Stores a value for which {@linkcode problem} returned `undefined`. */
  set(name: string, value: string): void {
    const stored = storedForm(name, value);
    this.#values.set(name, stored);
    this.#effects.get(name)?.effect(stored);
  }
}

/** A valid value as CONFIG GET returns it. */
function storedForm(name: string, value: string): string {
  switch (KINDS[name]) {
    case "memory":
      return String(parseMemory(value));
    case "event classes":
      return formatEventClasses(parseEventClasses(value)!);
    default:
      return value;
  }
}

function numberProblem(name: string, text: string): string | undefined {
  const value = parseInt64(text);
  if (value === undefined) return "argument couldn't be parsed into an integer";
  const min = MINIMUMS[name];
  return min === undefined || value >= min
    ? undefined
    : `argument must be between ${min} and 9223372036854775807 inclusive`;
}

/** Parses an amount of memory such as "100mb"; returns bytes. */
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
