/**
 * The database that services share. There is one implementation so far; with a second one this
 * becomes an interface.
 *
 * @module
 */

export type { PostgresDatabase as Database } from "./postgres/postgres_database.ts";
export type { DatabaseTransaction } from "./postgres/database_transaction.ts";
