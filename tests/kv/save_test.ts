/**
 * SAVE and the like shorten the file of the storage.
 *
 * @module
 */

import assert from "node:assert/strict";
import { until } from "../support/within.ts";
import { TestKv } from "./support.ts";

for (const command of ["SAVE", "BGSAVE", "BGREWRITEAOF"]) {
  Deno.test(`kv: ${command} shortens the file`, async () => {
    await using kv = await TestKv.start({}, "sqlite:kv.db");
    using client = await kv.connect();
    // The log keeps every value; a snapshot keeps the last one, and 4 MiB of free pages.
    const value = "x".repeat(500_000);
    for (let round = 0; round < 30; round++) await client.ask("SET", "a", value);
    assert.ok(await kv.fileBytes("kv.db") > 10_000_000);
    assert.match(await client.ask(command), /^\+/);
    await until("the file is short", async () => await kv.fileBytes("kv.db") < 6_000_000);
    assert.equal(await client.ask("STRLEN", "a"), ":500000\r\n");
  });
}
