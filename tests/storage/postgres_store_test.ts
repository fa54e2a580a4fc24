import { PostgresDatabase } from "../../lib/storage/postgres_database.ts";
import { PostgresStore } from "../../lib/storage/postgres_store.ts";
import { TestLog } from "../support/log.ts";
import { usePostgres } from "../support/postgres.ts";
import { testStore } from "./store_suite.ts";

const server = usePostgres();

const { log } = new TestLog();

async function openStore(url: string): Promise<PostgresStore> {
  return await PostgresStore.open(await PostgresDatabase.open(url, { log }), { log });
}

testStore({
  name: "postgres",
  durable: true,
  start: async () => {
    const url = await server.createDatabase();
    return {
      open: () => openStore(url),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});
