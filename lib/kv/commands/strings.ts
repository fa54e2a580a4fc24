/**
 * Commands that read and write whole values.
 *
 * @module
 */

import type { Place, Store } from "../../storage/store.ts";
import { sameValue, type Value, valueText } from "../../storage/value.ts";
import { Turn } from "../../turn.ts";
import { MAX_INT64_CHARS, parseInt64 } from "../int64.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import {
  expiresAt,
  type Expiry,
  expiryOf,
  futureTime,
  IN_MILLISECONDS,
  IN_SECONDS,
  setOptions,
  type TimeForm,
} from "./arguments.ts";
import { getBytes, mgetBytes, msetBytes, setBytes } from "./byte_forms.ts";
import { ALL_KEYS, EVERY_SECOND_KEY, ONE_KEY } from "./catalogue.ts";
import type { Command, KeyWork, ManyKeys } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { asReply, wrongArity } from "./errors.ts";
import { placeOf, placesFrom } from "./places.ts";
import { lengthOf } from "./value_part.ts";

const group = "string";

function get(request: Request, { db }: CommandContext): KeyWork {
  const key = request.text(1);
  return { places: placeOf(db, key), run: (tx) => tx.get(db, key)?.value ?? null };
}

function directGet(request: Request, { db }: CommandContext, store: Store) {
  const entry = store.get(db, request.text(1));
  if (entry === undefined) return null;
  return entry instanceof Promise ? entry.then((found) => found?.value ?? null) : entry.value;
}

/** The parameters of SET and its variants. */
interface SetWork {
  key: string;
  value: Value;
  exists?: boolean | undefined;
  equals?: Value | undefined;
  get?: boolean;
  keepTtl?: boolean;
  expiry?: Expiry | undefined;
  /** The replies if the value was set, and if it was not. */
  done: Reply;
  notDone: Reply;
}

function setWork(work: SetWork, db: number): KeyWork {
  const { key, value, exists, equals, expiry } = work;
  const conditional = exists !== undefined || equals !== undefined;
  return {
    places: placeOf(db, key),
    blind: !conditional && !work.get && !work.keepTtl,
    run(tx) {
      if (this.blind) {
        tx.put(db, key, value, expiresAt(expiry, tx.nowMs));
        return work.done;
      }
      const entry = tx.get(db, key);
      const before = entry?.value ?? null;
      const refused = (exists !== undefined && exists !== (entry !== undefined)) ||
        (equals !== undefined && (before === null || !sameValue(before, equals)));
      if (!refused) {
        const keptMs = work.keepTtl ? entry?.expiresAtMs ?? 0 : 0;
        tx.put(db, key, value, expiry ? expiresAt(expiry, tx.nowMs) : keptMs);
      }
      if (work.get) return before;
      return refused ? work.notDone : work.done;
    },
  };
}

function set(request: Request, { db }: CommandContext): KeyWork {
  const options = setOptions(request, 3, "set");
  const expiry = expiryOf(request, options, "set");
  const key = request.text(1), value = request.value(2);
  return setWork({ ...options, expiry, key, value, done: OK, notDone: null }, db);
}

function answerOk(): Reply {
  return OK;
}

function directSet(request: Request, { db }: CommandContext, store: Store) {
  if (request.count > 3) return undefined;
  const wait = store.put(db, request.text(1), request.value(2), 0);
  return wait === undefined ? OK : wait.then(answerOk);
}

function setnx(request: Request, { db }: CommandContext): KeyWork {
  const key = request.text(1), value = request.value(2);
  return setWork({ key, value, exists: false, done: 1, notDone: 0 }, db);
}

function setWithTime(command: string, form: TimeForm) {
  return (request: Request, { db }: CommandContext): KeyWork => {
    const ms = futureTime(request, 2, form, command);
    const key = request.text(1), value = request.value(3);
    const expiry = { ms, relative: form.relative };
    return setWork({ key, value, expiry, done: OK, notDone: null }, db);
  };
}

function getset(request: Request, { db }: CommandContext): KeyWork {
  const key = request.text(1), value = request.value(2);
  return setWork({ key, value, get: true, done: OK, notDone: null }, db);
}

function getdel(request: Request, { db }: CommandContext): KeyWork {
  const key = request.text(1);
  return {
    places: placeOf(db, key),
    run(tx) {
      const value = tx.get(db, key)?.value ?? null;
      if (value !== null) tx.delete(db, key);
      return value;
    },
  };
}

function getex(request: Request, { db }: CommandContext): KeyWork {
  const options = setOptions(request, 2, "getex");
  const key = request.text(1);
  let expiry: Expiry | ErrorReply | undefined;
  try {
    expiry = expiryOf(request, options, "getex");
  } catch (error) {
    // Redis reports the error only if the key exists.
    expiry = asReply(error);
  }
  return {
    places: placeOf(db, key),
    run(tx) {
      const entry = tx.get(db, key);
      if (entry === undefined) return null;
      if (expiry instanceof ErrorReply) return expiry;
      if (options.persist && entry.expiresAtMs !== 0) tx.put(db, key, entry.value, 0);
      if (expiry !== undefined) {
        const atMs = expiresAt(expiry, tx.nowMs);
        if (atMs <= tx.nowMs) tx.delete(db, key);
        else tx.put(db, key, entry.value, atMs);
      }
      return entry.value;
    },
  };
}

function delifeq(request: Request, { db }: CommandContext): KeyWork {
  const key = request.text(1), expected = request.value(2);
  return {
    places: placeOf(db, key),
    run(tx) {
      const value = tx.get(db, key)?.value;
      if (value === undefined || !sameValue(value, expected)) return 0;
      tx.delete(db, key);
      return 1;
    },
  };
}

function mget(request: Request, { db }: CommandContext): KeyWork {
  const places = placesFrom(request, db);
  return { places, run: (tx) => places.map(({ key }) => tx.get(db, key)?.value ?? null) };
}

/** The keys and values of MSET and MSETNX. */
function pairs(request: Request, db: number, name: string): { places: Place[]; values: Value[] } {
  if (request.count % 2 === 0) throw wrongArity(name);
  const values: Value[] = [];
  for (let at = 2; at < request.count; at += 2) values.push(request.value(at));
  return { places: placesFrom(request, db, 1, 2), values };
}

function mset(request: Request, { db }: CommandContext): KeyWork {
  const { places, values } = pairs(request, db, "mset");
  return {
    places,
    blind: true,
    run(tx) {
      places.forEach(({ key }, index) => tx.put(db, key, values[index]!, 0));
      return OK;
    },
  };
}

function msetnx(request: Request, { db }: CommandContext): KeyWork {
  const { places, values } = pairs(request, db, "msetnx");
  return {
    places,
    run(tx) {
      if (places.some(({ key }) => tx.get(db, key) !== undefined)) return 0;
      places.forEach(({ key }, index) => tx.put(db, key, values[index]!, 0));
      return 1;
    },
  };
}

/** MSET and MSETNX of very many keys, all or nothing. */
function manyPairs(name: "mset" | "msetnx"): ManyKeys {
  return {
    how: "whole",
    prepare(request, { db }) {
      if (request.count % 2 === 0) throw wrongArity(name);
      return async (tx) => {
        const turn = new Turn();
        for (let at = 1; name === "msetnx" && at < request.count; at += 2) {
          if (await tx.get(db, request.text(at)) !== undefined) return 0;
          if (turn.over) await turn.next();
        }
        for (let at = 1; at < request.count; at += 2) {
          await tx.put(db, request.text(at), request.value(at + 1), 0);
          if (turn.over) await turn.next();
        }
        return name === "mset" ? OK : 1;
      };
    },
  };
}

function strlen(request: Request, { db }: CommandContext): KeyWork {
  const places = placeOf(db, request.text(1)), [place] = places;
  return { places, run: (tx) => Math.max(0, lengthOf(tx, place)) };
}

/** The encoding that Redis would choose for a value that was just set. */
export function encodingOf(value: Value): string {
  if (value.length <= MAX_INT64_CHARS && parseInt64(valueText(value)) !== undefined) return "int";
  return value.length <= 44 ? "embstr" : "raw";
}

const WRITE = ["write", "denyoom"];
const WRITE_FAST = ["write", "denyoom", "fast"];
const READ_FAST = ["readonly", "fast"];

/** Commands that read and write whole values: GET, SET and their variants. */
export const STRING_COMMANDS: readonly Command[] = [
  {
    name: "get",
    arity: 2,
    flags: READ_FAST,
    keys: ONE_KEY,
    group,
    summary: "Returns the value of a key.",
    since: "1.0.0",
    action: { kind: "keys", prepare: get, bytes: getBytes, direct: directGet },
  },
  {
    name: "set",
    arity: -3,
    flags: WRITE,
    keys: ONE_KEY,
    group,
    summary: "Sets the value of a key, optionally under a condition.",
    since: "1.0.0",
    action: { kind: "keys", prepare: set, bytes: setBytes, direct: directSet },
  },
  {
    name: "setnx",
    arity: 3,
    flags: WRITE_FAST,
    keys: ONE_KEY,
    group,
    summary: "Sets the value of a key, unless the key exists.",
    since: "1.0.0",
    action: { kind: "keys", prepare: setnx },
  },
  {
    name: "setex",
    arity: 4,
    flags: WRITE,
    keys: ONE_KEY,
    group,
    summary: "Sets the value of a key and its time to live in seconds.",
    since: "2.0.0",
    action: { kind: "keys", prepare: setWithTime("setex", IN_SECONDS) },
  },
  {
    name: "psetex",
    arity: 4,
    flags: WRITE,
    keys: ONE_KEY,
    group,
    summary: "Sets the value of a key and its time to live in milliseconds.",
    since: "2.6.0",
    action: { kind: "keys", prepare: setWithTime("psetex", IN_MILLISECONDS) },
  },
  {
    name: "getset",
    arity: 3,
    flags: WRITE_FAST,
    keys: ONE_KEY,
    group,
    summary: "Sets the value of a key and returns the previous one.",
    since: "1.0.0",
    action: { kind: "keys", prepare: getset },
  },
  {
    name: "getdel",
    arity: 2,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    group,
    summary: "Returns the value of a key and removes it.",
    since: "6.2.0",
    action: { kind: "keys", prepare: getdel },
  },
  {
    name: "getex",
    arity: -2,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    group,
    summary: "Returns the value of a key and sets its expiry.",
    since: "6.2.0",
    action: { kind: "keys", prepare: getex },
  },
  {
    name: "delifeq",
    arity: 3,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    group,
    summary: "Removes a key if it has the given value.",
    since: "7.2.4",
    action: { kind: "keys", prepare: delifeq },
  },
  {
    name: "mget",
    arity: -2,
    flags: READ_FAST,
    keys: ALL_KEYS,
    group,
    summary: "Returns the values of several keys.",
    since: "1.0.0",
    action: { kind: "keys", prepare: mget, bytes: mgetBytes, many: { how: "items" } },
  },
  {
    name: "mset",
    arity: -3,
    flags: WRITE,
    keys: EVERY_SECOND_KEY,
    group,
    summary: "Sets the values of several keys at once.",
    since: "1.0.1",
    action: { kind: "keys", prepare: mset, bytes: msetBytes, many: manyPairs("mset") },
  },
  {
    name: "msetnx",
    arity: -3,
    flags: WRITE,
    keys: EVERY_SECOND_KEY,
    group,
    summary: "Sets the values of several keys, if none of them exists.",
    since: "1.0.1",
    action: { kind: "keys", prepare: msetnx, many: manyPairs("msetnx") },
  },
  {
    name: "strlen",
    arity: 2,
    flags: READ_FAST,
    keys: ONE_KEY,
    group,
    summary: "Returns the length of a value.",
    since: "2.2.0",
    action: { kind: "keys", prepare: strlen },
  },
];
