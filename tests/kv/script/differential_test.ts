/**
 * Sends the same scripts to quartet and to Redis, and compares the replies.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HAS_REDIS, TestRedis } from "../redis_server.ts";
import { RawClient, TestKv } from "../support.ts";
import { SCRIPTS } from "./scripts.ts";

/**
 * Removes what may differ: the hash and the position of an error. Redis also knows the line of a
 * function that was left by a tail call.
 */
function normalized(reply: string): string {
  return reply.replace(/^(-.*?) script: [0-9a-f]{40}.*/, "$1").replace(
    /^-ERR user_script:\d+: /,
    "-ERR ",
  );
}

for (const protocol of ["2", "3"]) {
  Deno.test({
    name: `kv runs scripts as Redis does, RESP${protocol}`,
    ignore: !HAS_REDIS,
    async fn() {
      await using redis = await TestRedis.start();
      await using ours = await TestKv.start({ script_timeout: "1s" });
      using a = await RawClient.connect({ transport: "unix", path: redis.path });
      using b = await ours.connect();
      for (const client of [a, b]) await client.ask("HELLO", protocol);
      const differences: string[] = [];
      for (const [script, ...args] of SCRIPTS) {
        for (const client of [a, b]) {
          await client.ask("FLUSHALL");
          await client.ask("MSET", "k", "v", "n", "7", "binary", "a\0b\r\n\xff");
        }
        const request = ["EVAL", script, ...args.length > 0 ? args : ["0"]] as const;
        const [theirs, our] = [await a.ask(...request), await b.ask(...request)];
        if (normalized(our) !== normalized(theirs)) {
          differences.push(
            `${script}\n   Redis: ${JSON.stringify(theirs)}\n   quartet: ${JSON.stringify(our)}`,
          );
        }
      }
      assert.deepEqual(differences, []);
    },
  });
}
