/**
 * The options of `put-job`: words of the form `name=value`, each at most once.
 *
 * @module
 */

import { parseDuration } from "../../config/values.ts";
import {
  type Backoff,
  type JobId,
  type JobOptions,
  type KeyHold,
  MAX_DEPENDENCIES,
} from "../queue.ts";
import { MAX_ATTEMPTS_LIMIT } from "../job_spec.ts";
import { isName } from "./line.ts";

/** The longest time: a year. */
const MAX_TIME_MS = 365 * 86_400_000;

/** The longest `timeout`: 24 days, since timers cannot run longer. */
const MAX_TIMEOUT_MS = 24 * 86_400_000;

/** The options by name; each parses its value, or returns `undefined` if it is malformed. */
const PARSERS = {
  "attempts": (text: string) => wholeNumber(text, MAX_ATTEMPTS_LIMIT),
  "backoff": parseBackoff,
  "unique": (text: string) => isName(text) ? text : undefined,
  "unique-for": (text: string) => parseTime(text),
  "unique-while": (text: string): KeyHold | undefined =>
    text === "queued" || text === "unfinished" || text === "until" ? text : undefined,
  "expires": (text: string) => parseTime(text),
  "after": parseIds,
  "timeout": (text: string) => parseTime(text, MAX_TIMEOUT_MS),
} as const;

type OptionName = keyof typeof PARSERS;
type Values = { [Name in OptionName]?: NonNullable<ReturnType<typeof PARSERS[Name]>> };

/** An option that is unknown, repeated, malformed, or does not go with the others. */
export interface BadOption {
  /** Its name; empty if the word has none. */
  readonly bad: string;
}

/**
 * Parses options.
 *
 * @param text The words, separated by spaces.
 */
export function parseOptions(text: string): JobOptions | BadOption {
  const values: Record<string, unknown> = {};
  for (const word of text.split(" ")) {
    if (word === "") continue;
    const [, name = "", value = ""] = /^([a-z]+(?:-[a-z]+)*)=(.+)$/.exec(word) ?? [];
    const parsed = isOption(name) && !(name in values) ? PARSERS[name](value) : undefined;
    if (parsed === undefined) return { bad: name };
    values[name] = parsed;
  }
  return optionsFrom(values as Values);
}

function optionsFrom(values: Values): JobOptions | BadOption {
  const { unique, "unique-for": forMs, "unique-while": hold } = values;
  if (unique === undefined && forMs !== undefined) return { bad: "unique-for" };
  if (unique === undefined && hold !== undefined) return { bad: "unique-while" };
  if (hold === "until" && forMs === undefined) return { bad: "unique-while" };
  const { attempts, backoff, expires, after, timeout } = values;
  return {
    ...(attempts !== undefined && { attempts }),
    ...(backoff !== undefined && { backoff }),
    ...(unique !== undefined && {
      unique: {
        key: unique,
        ...(hold !== undefined && { while: hold }),
        ...(forMs !== undefined && { forMs }),
      },
    }),
    ...(expires !== undefined && { expiresMs: expires }),
    ...(after !== undefined && { after }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
  };
}

function isOption(name: string): name is OptionName {
  return Object.hasOwn(PARSERS, name);
}

/** Parses a time: whole seconds as in other commands, or with a unit, such as "500ms" or "1h30m". */
export function parseTime(text: string, maxMs = MAX_TIME_MS): number | undefined {
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  return ms !== undefined && ms >= 1 && ms <= maxMs ? ms : undefined;
}

/** Parses "5s", or "exponential:1s:1h". */
function parseBackoff(text: string): Backoff | undefined {
  const [, first = text, max = text] = /^exponential:([^:]+):([^:]+)$/.exec(text) ?? [];
  const firstMs = parseTime(first);
  const maxMs = parseTime(max);
  return firstMs !== undefined && maxMs !== undefined && firstMs <= maxMs
    ? { firstMs, maxMs }
    : undefined;
}

function parseIds(text: string): JobId[] | undefined {
  const words = text.split(",");
  if (words.length > MAX_DEPENDENCIES) return undefined;
  const ids = words.map((word) => wholeNumber(word, Number.MAX_SAFE_INTEGER));
  return ids.every((id) => id !== undefined && id > 0) ? ids as JobId[] : undefined;
}

function wholeNumber(text: string, max: number): number | undefined {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return number <= max ? number : undefined;
}
