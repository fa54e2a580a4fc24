import { openStorage } from "../../lib/storage/open.ts";
import { openQueue } from "../../lib/task/open.ts";
import { usePostgres } from "../support/postgres.ts";
import { queueSuite, type SuiteOptions } from "./queue_suite.ts";
import { queueOptions, SILENT_LOG } from "./support.ts";

const server = usePostgres();

async function openIn(url: string, options: SuiteOptions = {}) {
  const storage = await openStorage(url, { dataDir: ".", log: SILENT_LOG });
  const queue = await openQueue(storage, { ...queueOptions(options), log: SILENT_LOG });
  const close = async () => {
    await queue.close();
    await storage.close();
  };
  return { queue, close };
}

queueSuite("postgres", async (options) => {
  const { queue, close } = await openIn(await server.createDatabase(), options);
  return { queue, [Symbol.asyncDispose]: close };
});
