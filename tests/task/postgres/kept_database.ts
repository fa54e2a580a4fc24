import type postgres from "postgres";
import { PostgresDatabase } from "../../../lib/storage/postgres/postgres_database.ts";
import { TASK_MIGRATIONS } from "../../../lib/task/postgres/schema.ts";
import { SILENT_LOG } from "../support.ts";

/** Deletes everything in the tables of the queue. */
const EMPTY = `DO $$
  DECLARE part text;
  BEGIN
    FOR part IN SELECT relname FROM pg_class
      WHERE relnamespace = 'quartet'::regnamespace AND relkind = 'r' AND relname LIKE 'task%'
    LOOP EXECUTE format('DELETE FROM quartet.%I', part); END LOOP;
    ALTER SEQUENCE quartet.task_ids RESTART;
  END $$`;

type Wrap = (sql: postgres.Sql) => postgres.Sql;

/** A database and its connections, for one queue after another. */
export interface KeptDatabase extends AsyncDisposable {
  /** The database for the next queue; `wrap` as for {@linkcode PostgresDatabase.open}. */
  open(wrap?: Wrap): PostgresDatabase;
  /** Deletes everything that the queues have left. */
  empty(): Promise<void>;
}

/**
 * Creates the tables of a queue, and keeps the connections open that the queues need. Each queue
 * would open eight of its own, and that takes PostgreSQL longer than most tests of a queue.
 */
export async function keepDatabase(url: string): Promise<KeptDatabase> {
  const pools = new Map<string, postgres.Sql>();
  let wrap: Wrap = (sql) => sql;
  const database = await PostgresDatabase.open(url, {
    log: SILENT_LOG,
    wrap: (sql) => {
      const { connection, max } = sql.options;
      const purpose = `${max} ${/\D+ /.exec(connection!.application_name!)}`;
      if (!pools.has(purpose)) pools.set(purpose, sql);
      return wrap(withoutEnd(pools.get(purpose)!));
    },
  });
  await database.migrate("task", TASK_MIGRATIONS);
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
      for (const sql of [...pools.values()].slice(0, 1)) await sql.unsafe(EMPTY);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...pools.values()].map((sql) => sql.end({ timeout: 5 })));
    },
  };
}

/** Gives the tests of a file one kept database: made for the first of them, closed after the last. */
export function useKeptDatabase(
  server: { createDatabase(): Promise<string> },
): () => Promise<KeptDatabase> {
  let kept: Promise<KeptDatabase> | undefined;
  Deno.test.afterAll(async () => {
    await (await kept)?.[Symbol.asyncDispose]();
  });
  return () => kept ??= server.createDatabase().then(keepDatabase);
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
