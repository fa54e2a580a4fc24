import postgres from "postgres";

/**
 * SQLSTATEs of statements that will never work: a feature that is not supported, a name or a syntax
 * that is not known, a right that is missing (class 42), or a parameter that does not exist.
 */
const REJECTED_STATES = /^(0A|42|22023)/;

/**
 * Whether the server rejects a statement for good. Servers that resemble PostgreSQL lack some of its
 * features, and a role may lack rights. Use what is then left out only to work faster.
 *
 * @param error What was thrown: the server's answer, or an error with it as the cause.
 */
export function isRejected(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return REJECTED_STATES.test(error.code);
  return error instanceof Error && error.cause !== undefined && isRejected(error.cause);
}
