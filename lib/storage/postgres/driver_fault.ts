/**
 * Whether an error that nobody has handled is one that nobody could have: postgres 3.4.9 asks each
 * new connection for the types of arrays, and when the connection ends before the answer, it
 * rejects a promise of its own that it gives to no one. Whoever waits for the connection hears of
 * the loss by other ways.
 */
export function isDriverFault(error: unknown): boolean {
  // The driver leaves on an error the statement that has failed; we have none on these types.
  const { query } = Object(error) as { query?: unknown };
  return error instanceof Error && typeof query === "string" &&
    /^\s*select b\.oid, b\.typarray\s+from pg_catalog\.pg_type\b/.test(query);
}
