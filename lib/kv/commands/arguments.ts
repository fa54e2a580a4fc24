/**
 * Parsing the arguments of commands.
 *
 * @module
 */

import type { Value } from "../../storage/value.ts";
import { type Int64, MAX_INT64, MIN_INT64, parseInt64 } from "../int64.ts";
import type { Request } from "../resp/request.ts";
import {
  DB_OUT_OF_RANGE,
  invalidExpireTime,
  NOT_AN_INT32,
  NOT_AN_INTEGER,
  SYNTAX_ERROR,
} from "./errors.ts";

/** The number of databases. */
export const DATABASES = 16;

/** No command has more options than this, even if each is given several times. */
const MAX_OPTIONS = 64;

/**
 * Checks that a request is not so long that reading its options would take a while.
 *
 * @throws {ErrorReply} If it is.
 */
export function checkOptionCount(request: Request): void {
  if (request.count > MAX_OPTIONS) throw SYNTAX_ERROR;
}

/**
 * A 64-bit integer.
 *
 * @throws {ErrorReply} If the argument is not one.
 */
export function integer(request: Request, index: number): Int64 {
  const value = parseInt64(request.text(index));
  if (value === undefined) throw NOT_AN_INTEGER;
  return value;
}

/**
 * The number of a database.
 *
 * @throws {ErrorReply} If there is no such database.
 */
export function database(request: Request, index: number): number {
  const value = integer(request, index);
  if (value > 0x7fffffff || value < -0x80000000) throw NOT_AN_INT32;
  const db = Number(value);
  if (db < 0 || db >= DATABASES) throw DB_OUT_OF_RANGE;
  return db;
}

/** How a time is given: its unit, and whether it counts from now or from the Unix epoch. */
export interface TimeForm {
  unitMs: 1 | 1000;
  relative: boolean;
}

/** The forms of EX, PX, EXAT and PXAT. */
export const IN_SECONDS: TimeForm = { unitMs: 1000, relative: true };
export const IN_MILLISECONDS: TimeForm = { unitMs: 1, relative: true };
export const AT_SECONDS: TimeForm = { unitMs: 1000, relative: false };
export const AT_MILLISECONDS: TimeForm = { unitMs: 1, relative: false };

/**
 * A time in milliseconds, from now if the form is relative, else since the Unix epoch.
 *
 * @param command The command's name, for the error.
 * @throws {ErrorReply} If the argument is not an integer or exceeds 64 bits of milliseconds.
 */
export function time(request: Request, index: number, form: TimeForm, command: string): number {
  const ms = BigInt(integer(request, index)) * BigInt(form.unitMs);
  const latest = form.relative ? MAX_INT64 - BigInt(Date.now()) : MAX_INT64;
  if (ms > latest || ms < MIN_INT64) throw invalidExpireTime(command);
  return Number(ms);
}

/** Like {@linkcode time}, but rejects zero and negative times. */
export function futureTime(
  request: Request,
  index: number,
  form: TimeForm,
  command: string,
): number {
  const ms = time(request, index, form, command);
  if (ms <= 0) throw invalidExpireTime(command);
  return ms;
}

/** The latest time: the largest double below 2^63, since times are stored as signed 64-bit. */
const LATEST_MS = 2 ** 63 - 1024;

/** The options of SET and GETEX. */
export interface SetOptions {
  exists?: boolean;
  get: boolean;
  keepTtl: boolean;
  persist: boolean;
  /** IFEQ: the value that the key must have. */
  equals?: Value;
  /** The argument that gives the expiry, and its form. */
  expiry?: { at: number; form: TimeForm };
}

/** An expiry in milliseconds, from now if `relative`, else since the Unix epoch. */
export interface Expiry {
  ms: number;
  relative: boolean;
}

const EXPIRY_FORMS: Readonly<Record<string, TimeForm>> = {
  EX: IN_SECONDS,
  PX: IN_MILLISECONDS,
  EXAT: AT_SECONDS,
  PXAT: AT_MILLISECONDS,
};

/**
 * Parses the options of SET or GETEX, from argument `first` on.
 *
 * @throws {ErrorReply} If an option is unknown, or conflicts with another.
 */
export function setOptions(request: Request, first: number, command: "set" | "getex"): SetOptions {
  checkOptionCount(request);
  const options: SetOptions = { get: false, keepTtl: false, persist: false };
  const isSet = command === "set";
  let unit = "", amountAt = 0;
  for (let at = first; at < request.count; at++) {
    const option = request.option(at);
    const more = at + 1 < request.count;
    if (isSet && (option === "NX" || option === "XX")) {
      const exists = option === "XX";
      if (options.equals !== undefined || options.exists === !exists) throw SYNTAX_ERROR;
      options.exists = exists;
    } else if (isSet && option === "GET") {
      options.get = true;
    } else if (isSet && option === "IFEQ" && more && options.exists === undefined) {
      options.equals = request.value(++at);
    } else if (isSet && option === "KEEPTTL" && unit === "") {
      options.keepTtl = true;
    } else if (!isSet && option === "PERSIST" && unit === "") {
      options.persist = true;
    } else if (
      Object.hasOwn(EXPIRY_FORMS, option) && more && !options.keepTtl && !options.persist &&
      (unit === "" || unit === option)
    ) {
      unit = option;
      amountAt = ++at;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  if (unit !== "") options.expiry = { at: amountAt, form: EXPIRY_FORMS[unit]! };
  return options;
}

/**
 * Parses the expiry that the options name, if any.
 *
 * @throws {ErrorReply} If it is not a positive integer.
 */
export function expiryOf(
  request: Request,
  { expiry }: SetOptions,
  command: string,
): Expiry | undefined {
  if (expiry === undefined) return undefined;
  const ms = futureTime(request, expiry.at, expiry.form, command);
  return { ms, relative: expiry.form.relative };
}

/** The Unix time of an expiry in milliseconds, given a transaction's clock; 0 for never. */
export function expiresAt(expiry: Expiry | undefined, nowMs: number): number {
  if (expiry === undefined) return 0;
  return Math.min(expiry.relative ? nowMs + expiry.ms : expiry.ms, LATEST_MS);
}
