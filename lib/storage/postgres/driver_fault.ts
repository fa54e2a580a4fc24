/**
 * Recognises a rejection inside the driver that no caller can catch. postgres 3.4.9 queries the
 * array types on each new connection, and if that connection ends before the reply, it rejects an
 * internal promise. Callers that wait for the connection learn of the loss in other ways.
 */
export function isDriverFault(error: unknown): boolean {
  // The driver attaches the failed statement to the error; quartet has none on these types.
  const { query } = Object(error) as { query?: unknown };
  return error instanceof Error && typeof query === "string" &&
    /^\s*select b\.oid, b\.typarray\s+from pg_catalog\.pg_type\b/.test(query);
}
