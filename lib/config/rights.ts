/**
 * Schemas of the rights that `services` of a token can list for one service.
 *
 * @module
 */

import * as v from "valibot";
import { Glob } from "../glob.ts";
import { ANY_NAME, type NamePattern, Rights } from "../rights.ts";
import { latin1From } from "../storage/value.ts";
import { choice, text } from "./values.ts";

/** How many patterns one action may have. A command compares its names with each of them. */
const PATTERNS_MAX = 100;

/** The longest pattern, in characters. */
const PATTERN_MAX_LENGTH = 1024;

/**
 * Comparing a name with a pattern takes at most this many steps, about 100 microseconds; a name that
 * takes more is refused. Only a long name and a pattern with a star inside come that far.
 */
const MATCH_STEPS_MAX = 50_000;

/** The schema of the rights at a service. */
export type RightsSchema = v.GenericSchema<unknown, Rights>;

/** How the patterns of a service are written. */
export interface PatternForm {
  /** What is allowed, in words. */
  readonly allowed: string;
  /** Whether a text is a pattern. */
  test(text: string): boolean;
  parse(text: string): NamePattern;
}

/** Globs as in Redis, on names with one character per byte. */
export const GLOBS: PatternForm = {
  allowed: `a pattern of 1 to ${PATTERN_MAX_LENGTH} characters, such as "app:*"`,
  test: () => true,
  parse(text) {
    const own = latin1From(new TextEncoder().encode(text));
    const glob = new Glob(own);
    const matches = (name: string) => glob.matches(name, MATCH_STEPS_MAX);
    return {
      matches,
      covers(pattern) {
        if (pattern === own) return true;
        const other = new Glob(pattern);
        // All that the other one selects begins with its prefix.
        return (glob.open || other.literal) && matches(other.prefix);
      },
    };
  },
};

/**
 * A table with a list of patterns for each action, all of them optional.
 *
 * @param actions The actions of the service, such as "read" and "write".
 * @param form How the patterns are written.
 */
export function rightsTable(actions: readonly string[], form: PatternForm): RightsSchema {
  const pattern = v.pipe(
    text({ maxLength: PATTERN_MAX_LENGTH, allowed: form.allowed }),
    v.check(form.test, form.allowed),
  );
  const allowed = `a list of 1 to ${PATTERNS_MAX} patterns`;
  const patterns = v.pipe(
    v.array(pattern, allowed),
    v.minLength(1, allowed),
    v.maxLength(PATTERNS_MAX, allowed),
  );
  const entries = Object.fromEntries(actions.map((action) => [action, v.optional(patterns)]));
  const names = actions.map((action) => `"${action}"`).join(", ");
  return v.pipe(
    v.strictObject(entries, `a table with ${names}, or "all"`),
    v.minEntries(1, `a table with at least one of ${names}`),
    v.transform((table) =>
      new Rights(
        Object.fromEntries(
          Object.entries(table).map(([action, list]) => [action, (list ?? []).map(form.parse)]),
        ),
        JSON.stringify(table),
      )
    ),
  );
}

/** A list of actions that have no names. */
export function rightsList(actions: readonly string[]): RightsSchema {
  const allowed = `a list of one or more of ${actions.map((action) => `"${action}"`).join(", ")}`;
  return v.pipe(
    v.array(choice(actions), allowed),
    v.minLength(1, allowed),
    v.transform((list) => rightsTo(list)),
  );
}

/** One word for several actions without names. */
export function rightsWord(
  actions: Readonly<Record<string, readonly string[]>>,
): RightsSchema {
  return v.pipe(
    v.picklist(
      Object.keys(actions),
      `${Object.keys(actions).map((word) => `"${word}"`).join(", ")} or "all"`,
    ),
    v.transform((word) => rightsTo(actions[word]!)),
  );
}

/** The rights to actions that have no names. */
function rightsTo(actions: readonly string[]): Rights {
  const grants = Object.fromEntries(actions.map((action) => [action, [ANY_NAME]]));
  return new Rights(grants, JSON.stringify(actions));
}
