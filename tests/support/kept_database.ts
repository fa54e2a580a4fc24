import type postgres from "postgres";
import { PostgresDatabase } from "../../lib/storage/postgres/postgres_database.ts";
import { TestLog } from "./log.ts";

/** Limit on the time of a statement. Far away, since the machine may be busy. */
const STATEMENT_MS = 180_000;

/** Tables of one part of the program. */
export interface KeptTables {
  /** What {@linkcode PostgresDatabase.migrate} takes. */
  migration: Parameters<PostgresDatabase["migrate"]>;
  /** A statement that deletes everything in them. */
  empty: string;
}

type Wrap = (sql: postgres.Sql) => postgres.Sql;

/** A database and its connections, for one store or queue after another. */
export interface KeptDatabase extends AsyncDisposable {
  /** The database for the next one; `wrap` as for {@linkcode PostgresDatabase.open}. */
  open(wrap?: Wrap): PostgresDatabase;
  /** Deletes everything that the others have left. */
  empty(): Promise<void>;
}

/**
 * Creates tables, and keeps the connections open that their users need. Each store or queue would
 * open eight of its own, and that takes PostgreSQL longer than most tests of them.
 */
export async function keepDatabase(url: string, tables: KeptTables): Promise<KeptDatabase> {
  const pools = new Map<string, postgres.Sql>();
  let wrap: Wrap = (sql) => sql;
  const database = await PostgresDatabase.open(url, {
    log: new TestLog().log,
    ...{ connectMs: STATEMENT_MS, statementMs: STATEMENT_MS },
    wrap: (sql) => {
      const { connection, max } = sql.options;
      const purpose = `${max} ${/\D+ /.exec(connection!.application_name!)}`;
      if (!pools.has(purpose)) pools.set(purpose, sql);
      return wrap(withoutEnd(pools.get(purpose)!));
    },
  });
  await database.migrate(...tables.migration);
  return {
    open(ofQueue = (sql) => sql) {
      return {
        connect(...parameters: Parameters<PostgresDatabase["connect"]>) {
          wrap = ofQueue;
          return database.connect(...parameters);
        },
        migrate: () => Promise.resolve(),
      } as unknown as PostgresDatabase;
    },
    async empty() {
      for (const sql of [...pools.values()].slice(0, 1)) await sql.unsafe(tables.empty);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...pools.values()].map((sql) => sql.end({ timeout: 5 })));
    },
  };
}

/** Gives the tests of a file one kept database: made for the first of them, closed after the last. */
export function useKeptDatabase(
  server: { createDatabase(): Promise<string> },
  tables: KeptTables,
): () => Promise<KeptDatabase> {
  let kept: Promise<KeptDatabase> | undefined;
  Deno.test.afterAll(async () => {
    await (await kept)?.[Symbol.asyncDispose]();
  });
  return () => kept ??= server.createDatabase().then((url) => keepDatabase(url, tables));
}

/** A pool that its user does not end: it only stops listening. */
function withoutEnd(sql: postgres.Sql): postgres.Sql {
  const listening: Promise<postgres.ListenMeta>[] = [];
  return new Proxy(sql, {
    get: (target, name) => {
      if (name === "end") {
        return async () => {
          for (const started of listening.splice(0)) await (await started).unlisten();
        };
      }
      if (name !== "listen") return target[name as keyof typeof target];
      return (channel: string, hear: (payload: string) => void) => {
        const started = target.listen(channel, hear);
        listening.push(started);
        return started;
      };
    },
  });
}
