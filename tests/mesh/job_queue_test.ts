/**
 * The jobs of daemons: across a restart of node 0, and with a member that hangs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { startDaemon } from "../support/daemon.ts";
import { freeze } from "../support/freeze.ts";
import { signal } from "../support/signal.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { assertQuick, until } from "../support/within.ts";
import { ask, directory, freeAddresses, jobEnd, nodeConfig, startMesh } from "./support/daemons.ts";
import { generated } from "./support/nodes.ts";

const WAIT_MS = 120_000;
/** How long a cancelled job may take to end if a node hangs. */
const MAX_CANCEL_MS = 2000;

Deno.test("mesh: running and waiting jobs, numbers and history survive a kill of node 0", async () => {
  await using stack = new AsyncDisposableStack();
  const root = stack.use(await makeTempDirectory()).path;
  // The other node never starts, so the first job cannot end before the kill.
  const addresses = freeAddresses(2);
  const section = (addresses: string[]) => (
    `[daemon]\ndata_dir = "${root}"\n${nodeConfig(addresses, 0)}`
  );
  const killed = await startDaemon({ config: section(addresses) });
  await Deno.writeTextFile(`${root}/sort/in`, "b\na\n");
  assert.deepEqual(await ask(killed, "SORT in first lines"), ["OK job 1"]);
  assert.deepEqual(await ask(killed, "SORT gone second lines"), ["OK job 2"]);
  assert.deepEqual(await ask(killed, "SORT in third lines"), ["OK job 3"]);
  assert.deepEqual(await ask(killed, "CANCEL 3"), ["OK job 3"]);
  killed.signal("SIGKILL");
  await killed.ended();
  await killed[Symbol.asyncDispose]();

  const daemon = stack.use(await startDaemon({ config: section(addresses.slice(0, 1)) }));
  assert.match(await jobEnd(daemon, 1), /^job 1 done in first records=2$/);
  assert.match(await jobEnd(daemon, 2), /^job 2 failed gone second .*Cannot read/);
  assert.deepEqual(await ask(daemon, "RETRY 3"), ["OK job 4"]);
  assert.match(await jobEnd(daemon, 4), /^job 4 done in third records=2$/);
  assert.equal(await Deno.readTextFile(`${root}/sort/third`), "a\nb\n");
  const history = await ask(daemon, "HISTORY");
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;
  const times = `submitted=${time}( started=${time})? ended=${time}`;
  for (const [i, rest] of ["done", "failed", "cancelled", "done"].entries()) {
    assert.match(history[i]!, new RegExp(`^job ${i + 1} ${rest} ${times} `));
  }
  assert.deepEqual(history.slice(4), ["END"]);
});

Deno.test("mesh: a reload lets the running job end first, and the next one has the new section", async () => {
  await using stack = new AsyncDisposableStack();
  // The other node never starts, so the job runs until it is cancelled.
  const addresses = freeAddresses(2);
  const daemon = stack.use(await startDaemon({ config: nodeConfig(addresses, 0) }));
  await Deno.writeTextFile(`${directory(daemon)}/in`, "b\na\n");
  assert.deepEqual(await ask(daemon, "SORT in first lines"), ["OK job 1"]);
  assert.deepEqual(await ask(daemon, "SORT in second lines"), ["OK job 2"]);
  const file = await Deno.readTextFile(daemon.configFile);
  await Deno.writeTextFile(daemon.configFile, file.replace(/^nodes = .*$/m, "nodes = []"));
  daemon.signal("SIGHUP");
  await daemon.logged(/Restarts when its work is over/, WAIT_MS);
  assert.match((await ask(daemon, "STATUS"))[0]!, /^job 1 running/);
  assert.deepEqual(await ask(daemon, "CANCEL"), ["OK job 1"]);
  await daemon.loggedTimes("service=mesh address=", 2, WAIT_MS);
  assert.match(await jobEnd(daemon, 2), /^job 2 done in second records=2$/);
});

Deno.test("mesh: a job that is cancelled does not wait for a node that hangs", async () => {
  await using stack = new AsyncDisposableStack();
  const daemons = await startMesh(stack, 2, { more: 'stall_timeout = "10m"\n' });
  for (const daemon of daemons) await Deno.writeFile(`${directory(daemon)}/in`, generated(10));
  await freeze(daemons[1]!.child);
  try {
    let job = 0;
    const start = async () => {
      assert.deepEqual(await ask(daemons[0]!, "SORT in out"), [`OK job ${++job}`]);
      await until("node 0 has begun", async () => (
        (await ask(daemons[0]!, "STATUS")).some((line) => line.startsWith("node 0 "))
      ), WAIT_MS);
    };
    await assertQuick(MAX_CANCEL_MS, async () => {
      assert.deepEqual(await ask(daemons[0]!, "CANCEL"), [`OK job ${job}`]);
      assert.match(await jobEnd(daemons[0]!, job), /^job \d cancelled in out$/);
    }, { before: start });
  } finally {
    signal(daemons[1]!.child, "SIGCONT");
  }
});
