/**
 * Walks a schema along the keys of a file: which keys are known at a place, and what the file says
 * once the defaults are added.
 *
 * @module
 */

import type { GenericSchema } from "valibot";

/** The parts of a schema that a walk needs; each kind of schema has some of them. */
interface SchemaNode {
  /** The schema inside an optional one. */
  wrapped?: unknown;
  /** The schema for a value, if it depends on the kind of the value. */
  getter?: (input: unknown) => unknown;
  default?: unknown;
  /** The known keys of a section. */
  entries?: Record<string, unknown>;
  /** The schema of the values in a table whose keys are free. */
  value?: unknown;
  /** The schema of the items of a list. */
  item?: unknown;
}

/** A place in a file: the keys that lead to it. */
export type KeyPath = readonly (string | number)[];

/** Formats a key path as TOML writes it. */
export function formatKeyPath(path: KeyPath): string {
  return path.map((key) => /^[\w-]+$/.test(String(key)) ? key : JSON.stringify(key)).join(".");
}

/** Lists the keys that a schema knows at a place. */
export function keysAt(schema: GenericSchema, path: KeyPath): string[] {
  let node = unwrap(schema);
  for (const key of path) node = unwrap(node?.entries?.[key] ?? node?.value ?? node?.item);
  return Object.keys(node?.entries ?? {});
}

/**
 * Adds the defaults to a file, in the file's own spelling ("64KiB", not 65536).
 *
 * @param schema The schema of the file.
 * @param input The parsed file.
 */
export function withDefaults(schema: GenericSchema, input: unknown): unknown {
  const value = input === undefined ? (schema as SchemaNode).default : input;
  const { entries, value: schemaOfAll, item } = unwrap(schema) ?? {};
  if (Array.isArray(value) && item !== undefined) {
    return value.map((each) => withDefaults(item as GenericSchema, each));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const given = value as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(entries ?? given)) {
    const entry = (entries?.[key] ?? schemaOfAll) as GenericSchema | undefined;
    const part = entry === undefined ? given[key] : withDefaults(entry, given[key]);
    if (part !== undefined) result[key] = part;
  }
  return result;
}

/**
 * Finds the keys that a schema silently dropped. In a table whose keys are free, valibot drops names
 * that have a meaning in JavaScript, such as "constructor".
 *
 * @param input The parsed file.
 * @param output The output of the schema for that file.
 */
export function passedOver(input: unknown, output: unknown, path: KeyPath = []): KeyPath[] {
  if (!isTable(input) || !isTable(output)) return [];
  return Object.keys(input).flatMap((key) => {
    const at = [...path, key];
    return Object.hasOwn(output, key) ? passedOver(input[key], output[key], at) : [at];
  });
}

/**
 * Finds lists and times where a schema has a table. valibot takes them for tables without keys.
 *
 * @param schema The schema of the file.
 * @param input The parsed file.
 */
export function notTables(schema: unknown, input: unknown, path: KeyPath = []): KeyPath[] {
  const { entries, value, item } = unwrap(schema, input) ?? {};
  if (Array.isArray(input) && item !== undefined) {
    return input.flatMap((each, place) => notTables(item, each, [...path, place]));
  }
  if (typeof input !== "object" || input === null) return [];
  if (entries === undefined && value === undefined) return [];
  if (!isTable(input)) return [path];
  return Object.keys(input).flatMap((key) =>
    notTables(entries?.[key] ?? value, input[key], [...path, key])
  );
}

/** Looks up a value in a parsed file. */
export function valueAt(input: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (at, key) => (at as Record<string | number, unknown> | undefined)?.[key],
    input,
  );
}

/** Whether a value is a table of the file; what a schema has made of a table need not be one. */
export function isTable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The schema inside optional ones; `input` is the value, of which only tables have keys. */
function unwrap(schema: unknown, input: unknown = {}): SchemaNode | undefined {
  let node = schema as SchemaNode | undefined;
  for (;;) {
    if (node?.wrapped !== undefined) node = node.wrapped as SchemaNode;
    else if (node?.getter !== undefined) node = node.getter(input) as SchemaNode;
    else return node;
  }
}
