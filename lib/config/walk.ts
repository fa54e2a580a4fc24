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

/** Whether a value is a table of the file; what a schema has made of a table need not be one. */
function isTable(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function unwrap(schema: unknown): SchemaNode | undefined {
  let node = schema as SchemaNode | undefined;
  for (;;) {
    if (node?.wrapped !== undefined) node = node.wrapped as SchemaNode;
    // Only tables have keys.
    else if (node?.getter !== undefined) node = node.getter({}) as SchemaNode;
    else return node;
  }
}
