import assert from "node:assert/strict";
import { encodeFrame, FRAME } from "../../../lib/mesh/link/frame.ts";
import { PeerLink, PeerStalledError } from "../../../lib/mesh/link/peer_link.ts";
import { CHECKS_PER_TIMEOUT, SilenceWatch } from "../../../lib/mesh/link/silence_watch.ts";
import { Connection } from "../../../lib/net/connection.ts";
import { within } from "../../support/within.ts";

const WAIT_MS = 60_000;
/** Long enough to read what has arrived. */
const READ_MS = 20;
/** So long that the timer makes no check during a test that makes its own. */
const LONG_MS = 3_600_000;

Deno.test("SilenceWatch: a side that is silent for the timeout, and no shorter, is noticed", () => {
  const events: string[] = [];
  using watch = new SilenceWatch({
    timeoutMs: LONG_MS,
    onCheck: () => events.push("check"),
    onSilent: () => events.push("silent"),
  });
  const checks = (times: number) => {
    for (let i = 0; i < times; i++) watch.check();
    return events.splice(0);
  };
  const quiet = Array.from({ length: CHECKS_PER_TIMEOUT }, () => "check");
  assert.deepEqual(checks(CHECKS_PER_TIMEOUT), quiet);
  watch.heard();
  assert.deepEqual(checks(CHECKS_PER_TIMEOUT), quiet);
  watch.listening = false;
  assert.deepEqual(checks(CHECKS_PER_TIMEOUT), quiet);
  watch.listening = true;
  assert.deepEqual(checks(1), ["silent"]);
});

Deno.test("PeerLink: a pause of this process is not taken for silence of the peer", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const connection = new Connection(await listener.accept(), 1, "peer");
  const stallTimeoutMs = 600;
  const link = new PeerLink({ node: 1, name: "node 1", connection, stallTimeoutMs });
  try {
    const received = link.receive();
    const ended = received.then(() => "frame", (error) => error);
    // Two long pauses, and then more short ones than there are checks in the timeout.
    // Each is longer than the time between two checks.
    for (const pauseMs of [2 * stallTimeoutMs, 2 * stallTimeoutMs, ...Array(8).fill(150)]) {
      await peer.write(encodeFrame(FRAME.PING));
      // The operating system has the ping, and this process has no time to read it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
      const next = Promise.withResolvers<string>();
      setTimeout(() => next.resolve("goes on"), READ_MS);
      assert.equal(await Promise.race([ended, next.promise]), "goes on");
    }
    assert.ok(await within(WAIT_MS, "the verdict", ended) instanceof PeerStalledError);
  } finally {
    link.close();
  }
});
