/**
 * Clients of mesh whose token has limited rights.
 *
 * @module
 */

import assert from "node:assert/strict";
import * as v from "valibot";
import { Bus } from "../../lib/bus/bus.ts";
import { mesh } from "../../lib/mesh/mod.ts";
import { CONSOLE_RIGHTS } from "../../lib/mesh/rights.ts";
import { Refusals } from "../../lib/refusals.ts";
import { TestClient } from "../support/client.ts";
import { TestLog } from "../support/log.ts";
import { guardWithRights, LIMITED_TOKEN } from "../support/rights.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";

/** A command of each kind. */
const COMMANDS: Readonly<Record<keyof typeof CONSOLE_RIGHTS, string>> = {
  SORT: "SORT in out",
  COUNT: "COUNT in out",
  CANCEL: "CANCEL 1",
  RETRY: "RETRY 1",
  STATUS: "STATUS",
  HISTORY: "HISTORY",
  NODES: "NODES",
  HELP: "HELP",
  QUIT: "QUIT",
};

Deno.test("rights: every command of a mesh console is refused without the right", async () => {
  await using directory = await makeTempDirectory();
  for (const right of ["submit", "status"]) {
    const guard = guardWithRights(mesh.rights, [right]);
    const { log } = new TestLog();
    const refusals = new Refusals(log);
    const running = await mesh.start(v.parse(mesh.schema, { listen: "127.0.0.1:0" }), {
      guard: () => guard,
      refusals,
      log,
      bus: new Bus(),
      admits: () => false,
      dataDir: directory.path,
      get daemon(): never {
        throw new Error("mesh does not use the daemon");
      },
      storage: () => Promise.reject(new Error("mesh needs no storage")),
    });
    try {
      using client = await TestClient.connect(running.addresses[0]!);
      await client.send(`AUTH ${LIMITED_TOKEN}\n`);
      assert.equal(await client.line(), "OK\n");
      for (const [word, needed] of Object.entries(CONSOLE_RIGHTS)) {
        await client.send(`${COMMANDS[word as keyof typeof COMMANDS]}\n`);
        const reply = await client.line();
        if (needed !== undefined && needed !== right) {
          assert.equal(reply, `ERR no right to ${word}: the token needs "${needed}"\n`);
        } else {
          assert.ok(!reply.startsWith("ERR no right"), reply);
          const isList = needed === "status" || word === "HELP";
          for (let line = reply; isList && line !== "END\n"; line = await client.line());
        }
      }
      const refused = Object.values(CONSOLE_RIGHTS).filter((needed) => needed && needed !== right);
      assert.equal(refusals.count, refused.length);
    } finally {
      await running.drain(AbortSignal.timeout(5000));
    }
  }
});
