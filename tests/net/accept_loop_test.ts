import assert from "node:assert/strict";
import { acceptLoop } from "../../lib/net/accept_loop.ts";
import { MAX_TURN_MS } from "../../lib/turn.ts";

/**
 * Runs the loop over a script.
 *
 * @param script What each accept brings: a connection, or an error to throw.
 * @returns What the loop did, in order.
 */
async function run(script: readonly (string | Error)[]): Promise<string[]> {
  const events: string[] = [];
  let next = 0;
  await acceptLoop<string>({
    accept: () => {
      const step = script[next++]!;
      return step instanceof Error ? Promise.reject(step) : Promise.resolve(step);
    },
    onAccepted: (conn) => events.push(conn),
    onError: (error, backoffMs) =>
      events.push(`${(error as Error).message}, back off ${backoffMs}`),
    isStopped: () => next === script.length,
    wait: (ms) => {
      events.push(`wait ${ms}`);
      return Promise.resolve();
    },
  });
  return events;
}

const noDescriptors = new Error("EMFILE");

Deno.test("acceptLoop() backs off longer with each error, and goes on", async () => {
  const waits = [10, 20, 40, 80, 160, 320, 640, 1000, 1000];
  assert.deepEqual(await run([...waits.map(() => noDescriptors), "a", "b"]), [
    ...waits.flatMap((ms) => [`EMFILE, back off ${ms}`, `wait ${ms}`]),
    "a",
    "b",
  ]);
});

Deno.test("acceptLoop() starts over with a short back-off once it has accepted", async () => {
  assert.deepEqual(await run([noDescriptors, noDescriptors, "a", noDescriptors, "b"]), [
    "EMFILE, back off 10",
    "wait 10",
    "EMFILE, back off 20",
    "wait 20",
    "a",
    "EMFILE, back off 10",
    "wait 10",
    "b",
  ]);
});

Deno.test("acceptLoop() tries again at once after a connection was reset", async () => {
  for (const name of ["NotConnected", "ConnectionAborted", "ConnectionReset"] as const) {
    assert.deepEqual(await run([new Deno.errors[name]("gone"), "a"]), ["a"]);
  }
});

Deno.test("acceptLoop() ends quietly on an error that stopping has caused", async () => {
  assert.deepEqual(await run(["a", new Deno.errors.BadResource("closed")]), ["a"]);
});

Deno.test("acceptLoop() lets others run while many connections wait to be accepted", async () => {
  let accepted = 0;
  let acceptedBefore = 0;
  setTimeout(() => acceptedBefore = accepted, 0);
  await acceptLoop<string>({
    accept: () => Promise.resolve("connection"),
    onAccepted: () => {
      accepted++;
      for (const end = performance.now() + MAX_TURN_MS / 2; performance.now() < end;);
    },
    onError: (error) => {
      throw error;
    },
    isStopped: () => accepted === 20,
  });
  assert(acceptedBefore > 0 && acceptedBefore < 10, `${acceptedBefore} were accepted first`);
});
