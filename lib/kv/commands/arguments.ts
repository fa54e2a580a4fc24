/**
 * How commands read their arguments.
 *
 * @module
 */

import type { Key, Place } from "../../storage/store.ts";
import { type Int64, MAX_INT64, MIN_INT64, parseInt64 } from "../int64.ts";
import type { Request } from "../resp/request.ts";
import { invalidExpireTime, NOT_AN_INT32, NOT_AN_INTEGER, SYNTAX_ERROR } from "./errors.ts";

/** How many databases there are. */
export const DATABASES = 16;

/** The place of one key. */
export function placeOf(space: number, key: Key): Place[] {
  return [{ space, key }];
}

/** The places of the keys from one argument on. */
export function placesFrom(request: Request, db: number, first = 1, step = 1): Place[] {
  const places: Place[] = [];
  for (let at = first; at < request.count; at += step) {
    places.push({ space: db, key: request.text(at) });
  }
  return places;
}

/**
 * A whole number of 64 bits.
 *
 * @throws {CommandError} If it is none.
 */
export function integer(request: Request, index: number): Int64 {
  const value = parseInt64(request.text(index));
  if (value === undefined) throw NOT_AN_INTEGER;
  return value;
}

/** A whole number of 32 bits. */
export function int32(request: Request, index: number): number {
  const value = integer(request, index);
  if (value > 0x7fffffff || value < -0x80000000) throw NOT_AN_INT32;
  return Number(value);
}

/** In what a time is given, and from when on it counts. */
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
 * A time in milliseconds: since the Unix epoch, or from now on where the form is relative.
 *
 * @param command The command's name, for the error.
 * @throws {CommandError} If it is no whole number or lies beyond 64 bits of milliseconds.
 */
export function time(request: Request, index: number, form: TimeForm, command: string): number {
  const ms = BigInt(integer(request, index)) * BigInt(form.unitMs);
  const latest = form.relative ? MAX_INT64 - BigInt(Date.now()) : MAX_INT64;
  if (ms > latest || ms < MIN_INT64) throw invalidExpireTime(command);
  return Number(ms);
}

/** As {@linkcode time}, for commands that take no time in the past. */
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

/** The latest time there is: the last double before 2^63, which storages and clients cannot hold. */
const LATEST_MS = 2 ** 63 - 1024;

/** The options of SET and GETEX. */
export interface SetOptions {
  exists?: boolean;
  get: boolean;
  keepTtl: boolean;
  persist: boolean;
  /** The value that it has to have. */
  equals?: string;
  /** Which argument says when it expires, and in what form. */
  expiry?: { at: number; form: TimeForm };
}

/** When something is to expire, since the Unix epoch or from now on. */
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
 * Reads the options of SET or GETEX from an argument on.
 *
 * @throws {CommandError} If one is unknown, or does not go with another.
 */
export function setOptions(request: Request, first: number, command: "set" | "getex"): SetOptions {
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
      options.equals = request.text(++at);
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
 * Reads when something is to expire, if the options say so.
 *
 * @throws {CommandError} If it is no time that lies ahead.
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

/** When something expires, given the options and the clock of a transaction; 0 for never. */
export function expiresAt(
  expiry: Expiry | undefined,
  nowMs: number,
): number {
  if (expiry === undefined) return 0;
  return Math.min(expiry.relative ? nowMs + expiry.ms : expiry.ms, LATEST_MS);
}
