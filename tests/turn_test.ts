import assert from "node:assert/strict";
import { MAX_TURN_MS, nextTurn, SharedTurn, Turn } from "../lib/turn.ts";
import { within } from "./support/within.ts";

/** Holds the thread. */
function work(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

Deno.test("Turn.over becomes true after MAX_TURN_MS, and next() begins another turn", async () => {
  const turn = new Turn();
  work(MAX_TURN_MS);
  assert.equal(turn.over, true);
  await within(60_000, "the next turn", turn.next());
  work(MAX_TURN_MS);
  assert.equal(turn.over, true);
});

Deno.test("Turn.next() lets a socket be read, however much work takes turns", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using server = await accepted;
  let read = false;
  const reading = server.read(new Uint8Array(1)).then(() => read = true);
  await client.write(new Uint8Array(1));
  const turn = new Turn();
  let turns = 0;
  // Twenty turns are far more than a read needs on any machine, unless turns starve it.
  for (; turns < 20 && !read; turns++) {
    work(MAX_TURN_MS);
    await turn.next();
  }
  assert.ok(read, `not read after ${turns} turns`);
  await reading;
});

Deno.test("SharedTurn.over counts the work since the event loop visited its timers", async () => {
  const turn = new SharedTurn();
  assert.equal(turn.over, false);
  work(MAX_TURN_MS);
  assert.equal(turn.over, true);
  await within(60_000, "the timers", nextTurn());
  // The question begins the next turn; the deadline of this assertion is that turn.
  assert.equal(turn.over, false);
  await nextTurn();
});
