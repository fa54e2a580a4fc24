/**
 * Walks through a schema along the keys of a file: which keys are known somewhere, and what the
 * file says once the defaults are added.
 *
 * @module
 */

import type { GenericSchema } from "valibot";

/** The parts of a schema that a walk needs; which there are depends on its kind. */
interface SchemaNode {
  /** What an optional schema is an option of. */
  wrapped?: unknown;
  default?: unknown;
  /** The known keys of a section. */
  entries?: Record<string, unknown>;
  /** What the values of a table with free keys are. */
  value?: unknown;
}

/** A place in a file, by the keys that lead to it. */
export type KeyPath = readonly (string | number)[];

/** Writes a key path the way TOML does. */
export function formatKeyPath(path: KeyPath): string {
  return path.map((key) => /^[\w-]+$/.test(String(key)) ? key : JSON.stringify(key)).join(".");
}

/** The keys that a schema knows at a place. */
export function keysAt(schema: GenericSchema, path: KeyPath): string[] {
  let node = unwrap(schema);
  for (const key of path) node = unwrap(node?.entries?.[key] ?? node?.value);
  return Object.keys(node?.entries ?? {});
}

/**
 * What a file says once the defaults are added, in the words of the file.
 *
 * @param schema The schema of the file.
 * @param input The file, parsed.
 */
export function withDefaults(schema: GenericSchema, input: unknown): unknown {
  const value = input === undefined ? (schema as SchemaNode).default : input;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const given = value as Record<string, unknown>;
  const { entries, value: schemaOfAll } = unwrap(schema) ?? {};
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(entries ?? given)) {
    const entry = (entries?.[key] ?? schemaOfAll) as GenericSchema | undefined;
    const part = entry === undefined ? given[key] : withDefaults(entry, given[key]);
    if (part !== undefined) result[key] = part;
  }
  return result;
}

/**
 * The places in a file that a schema has passed over without a word. That happens to names for which
 * JavaScript has a use of its own, such as "constructor", where any name is allowed.
 *
 * @param input The file, parsed.
 * @param output What the schema has made of it.
 */
export function passedOver(input: unknown, output: unknown, path: KeyPath = []): KeyPath[] {
  if (!isTable(input) || !isTable(output)) return [];
  return Object.keys(input).flatMap((key) => {
    const at = [...path, key];
    return Object.hasOwn(output, key) ? passedOver(input[key], output[key], at) : [at];
  });
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unwrap(schema: unknown): SchemaNode | undefined {
  let node = schema as SchemaNode | undefined;
  while (node?.wrapped !== undefined) node = node.wrapped as SchemaNode;
  return node;
}
