import * as v from "valibot";
import { FailureCounter, Guard, tokenDigest } from "../../lib/auth.ts";
import type { Rights } from "../../lib/rights.ts";

/** A token that may do everything, and one with limited rights. */
export const FULL_TOKEN = "the-token-of-the-operator";
export const LIMITED_TOKEN = "the-token-of-the-application";

/**
 * A guard that accepts both tokens.
 *
 * @param schema The schema of the rights at the service.
 * @param table The rights of the limited token, as the file spells them.
 */
export function guardWithRights(
  schema: v.GenericSchema<unknown, Rights>,
  table: unknown,
): Guard {
  const token = (name: string, value: string, rights: Rights | null) => (
    { name, digest: tokenDigest(value), rights }
  );
  return new Guard([
    token("full", FULL_TOKEN, null),
    token("limited", LIMITED_TOKEN, v.parse(schema, table)),
  ], new FailureCounter(100, 60_000));
}
