/**
 * The JSON Schema of the configuration, for editors. It expresses what concerns a single value, and
 * which keys of a table belong together. The rest, such as the limits of a size or two services with
 * one address, only `quartet check` knows. It refuses nothing that `quartet check` accepts.
 *
 * @module
 */

import { type ConversionConfig, type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import type { Service } from "../service.ts";
import { INCLUDE_PATTERN } from "./included.ts";
import { type Manual, type ManualEntry, SHARED_SECTION } from "./manual.ts";
import { configSchema } from "./schema.ts";

/** Checks in code, which JSON Schema cannot express. */
const CODE: NonNullable<ConversionConfig["ignoreActions"]> = ["check", "raw_check"];

/** A string with a reference to the environment, whose value nobody knows in advance. */
const REFERENCE = "${NAME}";

/** Matches such strings. It has no anchors, so it can stand behind any other pattern. */
const REFERENCE_PATTERN = "\\$\\{";

/**
 * Creates the JSON Schema (draft 7, which editors for TOML support) of a configuration.
 *
 * @param services The services that can have a section.
 * @param manual Where the descriptions of keys and sections come from.
 * @throws {Error} If a part of the schema in the code has no counterpart in JSON Schema.
 */
export function editorSchema(services: readonly Service[], manual: Manual): JsonSchema {
  const schema = convert(configSchema(services));
  schema.properties!.include = {
    type: "array",
    items: { type: "string", pattern: INCLUDE_PATTERN.source },
  };
  adaptStrings(schema);
  describe(schema, manual.entries, services.map(({ name }) => name));
  const { $schema, ...rest } = schema;
  return { $schema: $schema!, title: "The configuration of quartet", ...rest };
}

function convert(schema: GenericSchema): JsonSchema {
  // The definitions are those of choices by the kind of a value, which are resolved below.
  const { $defs: _, ...converted } = toJsonSchema(schema, {
    typeMode: "input",
    ignoreActions: CODE,
    overrideSchema: ({ valibotSchema }) => {
      if (!("forms" in valibotSchema)) return undefined;
      const forms = valibotSchema.forms as GenericSchema[];
      return { anyOf: forms.map((form) => withoutDialect(convert(form))) };
    },
  });
  return converted;
}

function withoutDialect({ $schema: _, ...schema }: JsonSchema): JsonSchema {
  return schema;
}

/** Allows references to environment variables in all values that are strings. */
function adaptStrings(schema: JsonSchema): void {
  const { type, pattern, enum: words } = schema;
  if (type === "string" && pattern !== undefined) {
    // Only JavaScript escapes slashes; the regular expressions of editors may not know that.
    schema.pattern = pattern.replaceAll("\\/", "/");
    if (!new RegExp(pattern).test(REFERENCE)) schema.pattern += `|${REFERENCE_PATTERN}`;
  }
  if (type === "string" && words !== undefined) {
    delete schema.type;
    delete schema.enum;
    schema.anyOf = [{ type, enum: words }, { type, pattern: REFERENCE_PATTERN }];
  } else schema.anyOf?.forEach((form) => adaptStrings(form as JsonSchema));
  // References are replaced in values only, so the names of keys stay as they are.
  const { properties, additionalProperties, items } = schema;
  for (const part of [...Object.values(properties ?? {}), additionalProperties, items]) {
    if (isSchema(part)) adaptStrings(part);
  }
}

function isSchema(part: unknown): part is JsonSchema {
  return typeof part === "object" && !Array.isArray(part);
}

/** Adds the explanations of keys and sections. */
function describe(
  schema: JsonSchema,
  entries: readonly ManualEntry[],
  services: readonly string[],
): void {
  const ofAll = entries.filter(({ path }) => path[0] === SHARED_SECTION && path.length === 2);
  const own = entries.filter(({ path }) => path[0] !== SHARED_SECTION);
  for (const { path, value, comment } of own) {
    if (comment === "") continue;
    for (const node of nodesAt(schema, path)) {
      if (node.description === undefined) node.description = comment;
      // Sections whose names are free have several examples, each of which shows something else.
      else if (value === undefined) node.description += `\n\n${comment}`;
    }
  }
  for (const service of services) {
    for (const { path: [, key], comment } of ofAll) {
      for (const node of nodesAt(schema, [service, key!])) {
        if (comment !== "") node.description ??= comment;
      }
    }
  }
}

/** The schemas of a place, of which a value with several forms has several. */
function nodesAt(schema: JsonSchema, [key, ...rest]: readonly string[]): JsonSchema[] {
  if (key === undefined) return [schema];
  const { properties, additionalProperties, items, anyOf = [] } = schema;
  const part = properties?.[key] ?? (/^\d+$/.test(key) ? items : additionalProperties);
  return [
    ...(isSchema(part) ? nodesAt(part, rest) : []),
    ...anyOf.flatMap((form) => nodesAt(form as JsonSchema, [key, ...rest])),
  ];
}
