/**
 * The kinds of values in a configuration, as schemas. Each schema's message says what is allowed;
 * the loader adds where the value is and what was found.
 *
 * @module
 */

import * as v from "valibot";
import { ADDRESS, type Address, parseAddress } from "../net/address.ts";
import { isStorageUrl, STORAGE_URL } from "../storage/url.ts";

/** Binary units only: some programs read "1KB" as 1000 bytes, others as 1024. */
const SIZE_UNITS: Record<string, number> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};
const DURATION_UNITS_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Forms of values; what a form cannot express, such as a limit, is checked after it. */
const SIZE = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB)$/;
const DURATION = /^(\d+(\.\d+)?(ms|s|m|h|d))+$/;
const RATE = /^(\d+)\/(s|m|h|d)$/;

/** The smallest and the largest value allowed, both inclusive. */
export interface Range {
  min?: number;
  max?: number;
}

/** A schema from a value as the file spells it to the value that the program works with. */
export type Value<Input, Output> = v.GenericSchema<Input, Output>;

/** Parses a size such as "64KiB" into bytes; `undefined` if it is malformed. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  return match === null ? undefined : Math.round(Number(match[1]) * SIZE_UNITS[match[2]!]!);
}

/** Parses a time such as "1.5s" or "1h30m" into milliseconds; `undefined` if it is malformed. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    ms += Number(amount) * DURATION_UNITS_MS[unit!]!;
  }
  return ms;
}

/** Formats bytes in the largest exact unit; {@linkcode parseSize} reads the result back. */
export function formatSize(bytes: number): string {
  for (const unit of ["TiB", "GiB", "MiB", "KiB"]) {
    const unitBytes = SIZE_UNITS[unit]!;
    if (bytes >= unitBytes && bytes % unitBytes === 0) return `${bytes / unitBytes}${unit}`;
  }
  return `${bytes}B`;
}

/** Formats milliseconds in the largest exact unit; {@linkcode parseDuration} reads it back. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    const unitMs = DURATION_UNITS_MS[unit]!;
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}

const SIZE_FORM = "B, KiB, MiB, GiB or TiB, no blank";
const DURATION_FORM = "ms, s, m, h or d";

/** A size such as "64KiB", in bytes. */
export function size(range: Range = {}): Value<string, number> {
  const allowed = `a size${between(range, formatSize)} such as "64KiB" (${SIZE_FORM})`;
  return quantity(range, { form: SIZE, parse: parseSize, allowed });
}

/** Options for {@linkcode duration}. */
export interface DurationOptions extends Range {
  /** Whether "off" is allowed; it becomes 0. @default {false} */
  off?: boolean;
}

/** A time such as "10s", in milliseconds. */
export function duration(options: DurationOptions = {}): Value<string, number> {
  const allowed = `a time${between(options, formatDuration)} such as "10s" (${DURATION_FORM})`;
  if (!options.off) return quantity(options, { form: DURATION, parse: parseDuration, allowed });
  const parse = (text: string) => text === "off" ? 0 : parseDuration(text);
  return quantity({ ...options, or: 0 }, {
    form: orOff(DURATION),
    parse,
    allowed: `${allowed}, or "off"`,
  });
}

/** Parses a rate such as "100/s" into the milliseconds from one to the next. */
export function parseRate(text: string): number | undefined {
  const match = RATE.exec(text);
  if (match === null || Number(match[1]) === 0) return undefined;
  return DURATION_UNITS_MS[match[2]!]! / Number(match[1]);
}

/** The highest rate is this many in a second. */
const MAX_PER_SECOND = 100_000;

/** A rate such as "100/s", in milliseconds from one to the next; 0 for "off". */
export function rate(): Value<string, number> {
  const allowed = `a rate such as "100/s" (s, m, h or d; at most ${MAX_PER_SECOND}/s), or "off"`;
  const parse = (text: string) => text === "off" ? 0 : parseRate(text);
  return quantity({ min: 1000 / MAX_PER_SECOND, or: 0 }, { form: orOff(RATE), parse, allowed });
}

/** A whole number. */
export function count(range: Range = {}): Value<number, number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
  const message = `a whole number${between({ min: 0, ...range }, String)}`;
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(min, message),
    v.maxValue(max, message),
  );
}

/** `true` or `false`. */
export function flag(): Value<boolean, boolean> {
  return v.boolean("true or false");
}

/** One of several words. */
export function choice<const T extends string>(words: readonly T[]): Value<T, T> {
  return v.picklist(words, `one of ${words.map((word) => `"${word}"`).join(", ")}`);
}

/** Options for {@linkcode text}. */
export interface TextOptions {
  /** The maximum number of characters. @default {1024} */
  maxLength?: number;
  /** What the text must match. @default {one or more characters on one line} */
  pattern?: RegExp;
  /** What is allowed, in words. */
  allowed?: string;
}

/** A non-empty text on one line. */
export function text(options: TextOptions = {}): Value<string, string> {
  const { maxLength = 1024, pattern = /^[^\0\r\n]+$/ } = options;
  const allowed = options.allowed ?? `a text of 1 to ${maxLength} characters on one line`;
  return v.pipe(v.string(allowed), v.regex(pattern, allowed), v.maxLength(maxLength, allowed));
}

/**
 * A text of some form that code then checks further.
 *
 * @param pattern What it has to match.
 * @param check Whether a text is right; it need not match.
 * @param allowed What is allowed, in words.
 */
export function checkedText(
  pattern: RegExp,
  check: (text: string) => boolean,
  allowed: string,
): Value<string, string> {
  return v.pipe(v.string(allowed), v.regex(pattern, allowed), v.check(check, allowed));
}

/** The URL of a storage. */
export function storageUrl(): Value<string, string> {
  const allowed = '"memory:", "sqlite:FILE" or "postgres://user@host:port/database"';
  return v.pipe(checkedText(STORAGE_URL, isStorageUrl, allowed), v.maxLength(1024, allowed));
}

/** An address to listen on or to connect to. */
export function address(): Value<string, Address> {
  const allowed = 'an address: "host:port", "[v6]:port" or "unix:/path"';
  return v.pipe(
    v.string(allowed),
    v.regex(ADDRESS, allowed),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        return parseAddress(dataset.value);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        addIssue({ message: allowed });
        return NEVER;
      }
    }),
  );
}

/**
 * A value with several forms. Unlike a union, it reports the faults of the form that was meant.
 *
 * @param forms All forms.
 * @param choose Picks one of them by the kind of a value.
 */
export function oneForm<const Forms extends readonly v.GenericSchema<unknown, unknown>[]>(
  forms: Forms,
  choose: (value: unknown) => Forms[number],
) {
  return Object.assign(v.lazy(choose), { forms });
}

/**
 * Tells editors, as metadata of a table, that it has exactly one of some keys. It checks nothing:
 * the messages about such faults are better made where more of the table is known.
 */
export function exactlyOneOf(...keys: readonly string[]) {
  return { oneOf: keys.map((key) => ({ required: [key] })) };
}

/** Tells editors, as metadata of a table, which other keys each of some keys needs. */
export function keysThatNeed(others: Readonly<Record<string, readonly string[]>>) {
  return { dependencies: others };
}

function orOff(form: RegExp): RegExp {
  return new RegExp(`^off$|${form.source}`);
}

/** How a text becomes an amount. */
interface QuantityForm {
  /** What the text has to match. */
  form: RegExp;
  parse: (text: string) => number | undefined;
  /** What is allowed, in words. */
  allowed: string;
}

function quantity(
  range: Range & { or?: number },
  { form, parse, allowed }: QuantityForm,
): Value<string, number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
  return v.pipe(
    v.string(allowed),
    v.regex(form, allowed),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const amount = parse(dataset.value);
      if (amount !== undefined && (amount === range.or || (amount >= min && amount <= max))) {
        return amount;
      }
      addIssue({ message: allowed });
      return NEVER;
    }),
  );
}

function between(range: Range, format: (amount: number) => string): string {
  const { min, max } = range;
  if (min !== undefined && max !== undefined) return ` from ${format(min)} to ${format(max)}`;
  if (min !== undefined) return ` of at least ${format(min)}`;
  return max === undefined ? "" : ` of at most ${format(max)}`;
}
