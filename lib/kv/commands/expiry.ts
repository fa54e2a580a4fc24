/**
 * Commands that set and read when keys expire.
 *
 * @module
 */

import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import {
  AT_MILLISECONDS,
  AT_SECONDS,
  checkOptionCount,
  expiresAt,
  IN_MILLISECONDS,
  IN_SECONDS,
  time,
  type TimeForm,
} from "./arguments.ts";
import { expireBytes } from "./byte_forms.ts";
import { ONE_KEY } from "./catalogue.ts";
import type { Command, KeyWork } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { quote } from "./errors.ts";
import { placeOf } from "./places.ts";

const group = "generic";

const NO_KEY = -2;
const NO_EXPIRY = -1;

/** The conditions under which EXPIRE has an effect. */
interface Conditions {
  NX: boolean;
  XX: boolean;
  GT: boolean;
  LT: boolean;
}

function conditions(request: Request): Conditions {
  checkOptionCount(request);
  const given: Conditions = { NX: false, XX: false, GT: false, LT: false };
  for (let at = 3; at < request.count; at++) {
    const option = request.option(at);
    if (!Object.hasOwn(given, option)) {
      throw new ErrorReply(`ERR Unsupported option ${quote(request.text(at, 1024), 1024)}`);
    }
    given[option as keyof Conditions] = true;
  }
  if (given.NX && (given.XX || given.GT || given.LT)) {
    throw new ErrorReply(
      "ERR NX and XX, GT or LT options at the same time are not compatible",
    );
  }
  if (given.GT && given.LT) {
    throw new ErrorReply("ERR GT and LT options at the same time are not compatible");
  }
  return given;
}

function expire(name: string, form: TimeForm) {
  return (request: Request, { db }: CommandContext): KeyWork => {
    const { NX, XX, GT, LT } = conditions(request);
    const expiry = { ms: time(request, 2, form, name), relative: form.relative };
    const key = request.text(1);
    return {
      places: placeOf(db, key),
      run(tx) {
        const entry = tx.get(db, key);
        if (entry === undefined) return 0;
        const atMs = expiresAt(expiry, tx.nowMs);
        const beforeMs = entry.expiresAtMs || Infinity;
        const expires = entry.expiresAtMs !== 0;
        if ((NX && expires) || (XX && !expires)) return 0;
        if ((GT && atMs <= beforeMs) || (LT && atMs >= beforeMs)) return 0;
        if (atMs <= tx.nowMs) tx.delete(db, key);
        else tx.put(db, key, entry.value, atMs);
        return 1;
      },
    };
  };
}

/** TTL and the like: returns when a key expires. */
function remaining(form: TimeForm) {
  return (request: Request, { db }: CommandContext): KeyWork => {
    const key = request.text(1);
    return {
      places: placeOf(db, key),
      run(tx): Reply {
        const entry = tx.get(db, key);
        if (entry === undefined) return NO_KEY;
        if (entry.expiresAtMs === 0) return NO_EXPIRY;
        const ms = form.relative ? Math.max(0, entry.expiresAtMs - tx.nowMs) : entry.expiresAtMs;
        const units = form.unitMs === 1 ? ms : Math.floor((ms + 500) / 1000);
        return Number.isSafeInteger(units) ? units : BigInt(units);
      },
    };
  };
}

function persist(request: Request, { db }: CommandContext): KeyWork {
  const key = request.text(1);
  return {
    places: placeOf(db, key),
    run(tx) {
      const entry = tx.get(db, key);
      if (entry === undefined || entry.expiresAtMs === 0) return 0;
      tx.put(db, key, entry.value, 0);
      return 1;
    },
  };
}

function expireCommand(name: string, form: TimeForm, since: string, summary: string): Command {
  const action = {
    kind: "keys",
    prepare: expire(name, form),
    ...(form.relative ? { bytes: expireBytes(form.unitMs) } : {}),
  } as const;
  return {
    name,
    arity: -3,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    group,
    summary,
    since,
    action,
  };
}

function remainingCommand(name: string, form: TimeForm, since: string, summary: string): Command {
  const action = { kind: "keys", prepare: remaining(form) } as const;
  const flags = ["readonly", "fast"];
  return { name, arity: 2, flags, keys: ONE_KEY, group, summary, since, action };
}

/** EXPIRE, TTL and their variants. */
export const EXPIRY_COMMANDS: readonly Command[] = [
  expireCommand("expire", IN_SECONDS, "1.0.0", "Sets the time to live of a key in seconds."),
  expireCommand(
    "pexpire",
    IN_MILLISECONDS,
    "2.6.0",
    "Sets the time to live of a key in milliseconds.",
  ),
  expireCommand(
    "expireat",
    AT_SECONDS,
    "1.2.0",
    "Sets the expiry of a key as a Unix time in seconds.",
  ),
  expireCommand(
    "pexpireat",
    AT_MILLISECONDS,
    "2.6.0",
    "Sets the expiry of a key as a Unix time in milliseconds.",
  ),
  remainingCommand("ttl", IN_SECONDS, "1.0.0", "Returns the time to live of a key in seconds."),
  remainingCommand(
    "pttl",
    IN_MILLISECONDS,
    "2.6.0",
    "Returns the time to live of a key in milliseconds.",
  ),
  remainingCommand(
    "expiretime",
    AT_SECONDS,
    "7.0.0",
    "Returns the expiry of a key as a Unix time in seconds.",
  ),
  remainingCommand(
    "pexpiretime",
    AT_MILLISECONDS,
    "7.0.0",
    "Returns the expiry of a key as a Unix time in milliseconds.",
  ),
  {
    name: "persist",
    arity: 2,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    group,
    summary: "Removes the expiry of a key.",
    since: "2.2.0",
    action: { kind: "keys", prepare: persist },
  },
];
