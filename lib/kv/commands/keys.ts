/**
 * Commands on keys, regardless of their values.
 *
 * @module
 */

import type { Entry, Place, SpaceTransaction } from "../../storage/store.ts";
import { parseInt64 } from "../int64.ts";
import { ErrorReply, OK, type Reply, SimpleString } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { checkOptionCount, database, DATABASES } from "./arguments.ts";
import { delBytes, existsBytes } from "./byte_forms.ts";
import { ALL_KEYS, ONE_KEY, TWO_KEYS } from "./catalogue.ts";
import type { Command, KeyWork } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { DB_OUT_OF_RANGE, NO_SUCH_KEY, SAME_OBJECT, SYNTAX_ERROR } from "./errors.ts";
import { placeOf, placesFrom } from "./places.ts";
import { lengthOf } from "./value_part.ts";

const group = "generic";

const STRING_TYPE = new SimpleString("string");
const NO_TYPE = new SimpleString("none");

function del(request: Request, { db }: CommandContext): KeyWork {
  const places = placesFrom(request, db);
  return {
    places,
    run(tx) {
      let removed = 0;
      for (const { key } of places) if (tx.delete(db, key)) removed++;
      return removed;
    },
  };
}

function exists(request: Request, { db }: CommandContext): KeyWork {
  const places = placesFrom(request, db);
  return {
    places,
    run(tx) {
      let found = 0;
      for (const place of places) if (lengthOf(tx, place) >= 0) found++;
      return found;
    },
  };
}

function type(request: Request, { db }: CommandContext): KeyWork {
  const places = placeOf(db, request.text(1)), [place] = places;
  return { places, run: (tx) => lengthOf(tx, place) < 0 ? NO_TYPE : STRING_TYPE };
}

function rename(onlyIfAbsent: boolean) {
  return (request: Request, { db }: CommandContext): KeyWork => {
    const from = request.text(1), to = request.text(2);
    return {
      places: [{ space: db, key: from }, { space: db, key: to }],
      run(tx) {
        const entry = tx.get(db, from);
        if (entry === undefined) return NO_SUCH_KEY;
        if (onlyIfAbsent && tx.get(db, to) !== undefined) return 0;
        if (from !== to) {
          tx.delete(db, from);
          tx.put(db, to, entry.value, entry.expiresAtMs);
        }
        return onlyIfAbsent ? 1 : OK;
      },
    };
  };
}

/** COPY and MOVE: writes the entry of one key to another, unless that exists. */
function transferWork(from: Place, to: Place, how: { keep: boolean; replace: boolean }): KeyWork {
  if (from.space === to.space && from.key === to.key) throw SAME_OBJECT;
  return {
    places: [from, to],
    run(tx) {
      const entry: Entry | undefined = tx.get(from.space, from.key);
      if (entry === undefined) return 0;
      if (!how.replace && tx.get(to.space, to.key) !== undefined) return 0;
      if (!how.keep) tx.delete(from.space, from.key);
      tx.put(to.space, to.key, entry.value, entry.expiresAtMs);
      return 1;
    },
  };
}

function copy(request: Request, { db }: CommandContext): KeyWork {
  checkOptionCount(request);
  let target = db, replace = false;
  for (let at = 3; at < request.count; at++) {
    const option = request.option(at);
    if (option === "REPLACE") replace = true;
    else if (option === "DB" && at + 1 < request.count) target = database(request, ++at);
    else throw SYNTAX_ERROR;
  }
  const from = { space: db, key: request.text(1) };
  return transferWork(from, { space: target, key: request.text(2) }, { keep: true, replace });
}

function move(request: Request, { db }: CommandContext): KeyWork {
  const key = request.text(1);
  const to = { space: database(request, 2), key };
  return transferWork({ space: db, key }, to, { keep: false, replace: false });
}

function randomkey(_request: Request, { db }: CommandContext) {
  return async (tx: SpaceTransaction): Promise<Reply> => await tx.randomKey(db) ?? null;
}

function dbsize(_request: Request, { db }: CommandContext) {
  return async (tx: SpaceTransaction): Promise<Reply> => (await tx.count(db)).keys;
}

function checkFlushOptions(request: Request): void {
  if (request.count === 1) return;
  if (request.count > 2 || !/^(A?SYNC)$/.test(request.option(1))) throw SYNTAX_ERROR;
}

function flushdb(request: Request, { db }: CommandContext) {
  checkFlushOptions(request);
  return async (tx: SpaceTransaction): Promise<Reply> => {
    await tx.clear(db);
    return OK;
  };
}

function flushall(request: Request) {
  checkFlushOptions(request);
  return async (tx: SpaceTransaction): Promise<Reply> => {
    for (let db = 0; db < DATABASES; db++) await tx.clear(db);
    return OK;
  };
}

function swapIndex(request: Request, index: number, which: string): number {
  const db = parseInt64(request.text(index));
  if (db === undefined || db > 0x7fffffff || db < -0x80000000) {
    throw new ErrorReply(`ERR invalid ${which} DB index`);
  }
  return Number(db);
}

function swapdb(request: Request) {
  const a = swapIndex(request, 1, "first"), b = swapIndex(request, 2, "second");
  if (Math.min(a, b) < 0 || Math.max(a, b) >= DATABASES) throw DB_OUT_OF_RANGE;
  return async (tx: SpaceTransaction): Promise<Reply> => {
    await tx.swap(a, b);
    return OK;
  };
}

const READ_FAST = ["readonly", "fast"];
const WRITE = ["write"];

/** Commands on keys, whatever their values, and on whole databases. */
export const KEY_COMMANDS: readonly Command[] = [
  {
    name: "del",
    arity: -2,
    flags: WRITE,
    keys: ALL_KEYS,
    group,
    summary: "Removes keys.",
    since: "1.0.0",
    action: { kind: "keys", prepare: del, bytes: delBytes, many: { how: "sum" } },
  },
  {
    name: "unlink",
    arity: -2,
    flags: ["write", "fast"],
    keys: ALL_KEYS,
    group,
    summary: "Removes keys.",
    since: "4.0.0",
    action: { kind: "keys", prepare: del, bytes: delBytes, many: { how: "sum" } },
  },
  {
    name: "exists",
    arity: -2,
    flags: READ_FAST,
    keys: ALL_KEYS,
    group,
    summary: "Returns how many of the given keys exist.",
    since: "1.0.0",
    action: { kind: "keys", prepare: exists, bytes: existsBytes, many: { how: "sum" } },
  },
  {
    name: "touch",
    arity: -2,
    flags: READ_FAST,
    keys: ALL_KEYS,
    group,
    summary: "Returns how many of the given keys exist.",
    since: "3.2.1",
    action: { kind: "keys", prepare: exists, bytes: existsBytes, many: { how: "sum" } },
  },
  {
    name: "type",
    arity: 2,
    flags: READ_FAST,
    keys: ONE_KEY,
    group,
    summary: "Returns the type of a key.",
    since: "1.0.0",
    action: { kind: "keys", prepare: type },
  },
  {
    name: "rename",
    arity: 3,
    flags: WRITE,
    keys: TWO_KEYS,
    group,
    summary: "Renames a key, overwriting the new name.",
    since: "1.0.0",
    action: { kind: "keys", prepare: rename(false) },
  },
  {
    name: "renamenx",
    arity: 3,
    flags: ["write", "fast"],
    keys: TWO_KEYS,
    group,
    summary: "Renames a key, unless the new name exists.",
    since: "1.0.0",
    action: { kind: "keys", prepare: rename(true) },
  },
  {
    name: "copy",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: TWO_KEYS,
    group,
    summary: "Copies the value of a key to another key.",
    since: "6.2.0",
    action: { kind: "keys", prepare: copy },
  },
  {
    name: "move",
    arity: 3,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    group,
    summary: "Moves a key to another database.",
    since: "1.0.0",
    action: { kind: "keys", prepare: move },
  },
  {
    name: "randomkey",
    arity: 1,
    flags: ["readonly"],
    group,
    summary: "Returns a random key.",
    since: "1.0.0",
    action: { kind: "spaces", prepare: randomkey },
  },
  {
    name: "dbsize",
    arity: 1,
    flags: READ_FAST,
    group: "server",
    summary: "Returns the number of keys.",
    since: "1.0.0",
    action: { kind: "spaces", prepare: dbsize },
  },
  {
    name: "flushdb",
    arity: -1,
    flags: WRITE,
    group: "server",
    summary: "Removes all keys of the database.",
    since: "1.0.0",
    action: { kind: "spaces", prepare: flushdb },
  },
  {
    name: "flushall",
    arity: -1,
    flags: WRITE,
    group: "server",
    summary: "Removes all keys of all databases.",
    since: "1.0.0",
    action: { kind: "spaces", prepare: flushall },
  },
  {
    name: "swapdb",
    arity: 3,
    flags: ["write", "fast"],
    group: "server",
    summary: "Swaps two databases.",
    since: "4.0.0",
    action: { kind: "spaces", prepare: swapdb },
  },
];
