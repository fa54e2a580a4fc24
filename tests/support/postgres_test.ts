import assert from "node:assert/strict";
import { execute, PostgresServer } from "./postgres.ts";

Deno.test("PostgresServer: is killed and comes back with its data, and leaves nothing running", async () => {
  const server = await PostgresServer.start();
  try {
    const url = await server.createDatabase();
    await execute(url, "CREATE TABLE t AS SELECT 7 AS n");
    await server.kill();
    await assert.rejects(execute(url, "SELECT 1"));
    await server.restart();
    assert.deepEqual([...await execute(url, "SELECT n FROM t")], [{ n: 7 }]);
  } finally {
    await server[Symbol.asyncDispose]();
  }
});
