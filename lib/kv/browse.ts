import type { ServiceAction, ServiceQuery } from "../service.ts";
import type { Key, Store } from "../storage/store.ts";
import { valueBytes } from "../storage/value.ts";
import { DATABASES } from "./commands/arguments.ts";

/** The most keys on one page. */
const MAX_KEYS_PER_PAGE = 100;

/** How much of a value is shown. */
const MAX_SHOWN_BYTES = 16 * 1024;

/** A key on a page of keys, as JSON. */
export interface KeyJson {
  /** One character per byte. */
  key: Key;
  /** In Unix milliseconds; 0 for never. */
  expiresAtMs: number;
}

/** A page of keys, as JSON. */
export interface KeysJson {
  keys: KeyJson[];
  /** Whether there are more. */
  more: boolean;
}

/** An entry, as JSON. */
export interface EntryJson extends KeyJson {
  /** The length of the whole value. */
  bytes: number;
  /** The beginning of the value, in base64. */
  value: string;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * What a person can look at in a store: `keys` lists those of a `db` with a `prefix`, `after` a key,
 * and `key` is one entry. In all fields, a key has one character per byte.
 *
 * @param store The store in use at this moment.
 */
export function kvQueries(store: () => Store): Record<string, ServiceQuery> {
  return {
    keys: async (fields): Promise<KeysJson> => {
      const count = numberIn(fields, "count", MAX_KEYS_PER_PAGE, MAX_KEYS_PER_PAGE);
      const after = fields["after"] === undefined ? {} : { after: keyIn(fields, "after") };
      const range = { prefix: keyIn(fields, "prefix", ""), ...after, limit: count + 1 };
      const found = await store().scan(databaseIn(fields), { ...range, keysOnly: true });
      const keys = found.slice(0, count).map(([key, { expiresAtMs }]) => ({ key, expiresAtMs }));
      return { keys, more: found.length > count };
    },
    key: async (fields): Promise<EntryJson> => {
      const key = keyIn(fields, "key");
      const entry = await store().get(databaseIn(fields), key);
      if (entry === undefined) throw new RangeError("There is no such key.");
      const { value, expiresAtMs } = entry;
      const shown = valueBytes(value.slice(0, MAX_SHOWN_BYTES));
      return { key, expiresAtMs, bytes: value.length, value: shown.toBase64() };
    },
  };
}

/** The action `delete`, which removes the `key` of a `db`. */
export function kvActions(store: () => Store): Record<string, ServiceAction> {
  return {
    delete: async (fields) => {
      const place = { space: databaseIn(fields), key: keyIn(fields, "key") };
      const deleted = await store().transact(
        [place],
        (transaction) => transaction.delete(place.space, place.key),
      );
      if (!deleted) throw new RangeError("There is no such key.");
      return "The key is deleted.";
    },
  };
}

function databaseIn(fields: Fields): number {
  return numberIn(fields, "db", DATABASES - 1, 0);
}

function keyIn(fields: Fields, name: string, otherwise?: Key): Key {
  const key = fields[name] ?? otherwise;
  if (typeof key === "string" && /^[\0-\xff]*$/.test(key)) return key;
  throw new RangeError(`"${name}" must be a text with one character per byte.`);
}

function numberIn(fields: Fields, name: string, max: number, otherwise: number): number {
  const value = fields[name] ?? otherwise;
  const isWhole = typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  if (isWhole && value <= max) return value;
  throw new RangeError(`"${name}" must be a whole number from 0 to ${max}.`);
}
