import assert from "node:assert/strict";
import { ControlLink } from "../../../lib/mesh/node/control_link.ts";
import { Connection } from "../../../lib/net/connection.ts";
import { within } from "../../support/within.ts";

const WAIT_MS = 60_000;
/** Long enough to read what has arrived. */
const READ_MS = 20;

Deno.test("ControlLink: a pause of this process is not taken for silence of the other side", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const connection = new Connection(await listener.accept(), 1, "peer");
  const stallTimeoutMs = 600;
  const link = new ControlLink({ node: 1, connection, input: connection, stallTimeoutMs });
  const ended = link.listen(() => {}).then(() => "ended");
  // Two long pauses, and then more short ones than there are checks in the timeout.
  // Each is longer than the time between two checks.
  for (const pauseMs of [2 * stallTimeoutMs, 2 * stallTimeoutMs, ...Array(8).fill(150)]) {
    await peer.write(new TextEncoder().encode('{"kind":"ping"}\n'));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
    const next = Promise.withResolvers<string>();
    setTimeout(() => next.resolve("goes on"), READ_MS);
    assert.equal(await Promise.race([ended, next.promise]), "goes on");
  }
  assert.equal(await within(WAIT_MS, "the end of a silent link", ended), "ended");
});
