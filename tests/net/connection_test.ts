import assert from "node:assert/strict";
import { Connection, ConnectionClosedError } from "../../lib/net/connection.ts";
import { within } from "../support/within.ts";

const DEADLINE_MS = 60_000;

Deno.test("Connection.finish: a write that comes too late does not reset the connection", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, accepted] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  using peer = client;
  const connection = new Connection(accepted, 1, "peer");
  // A reset would discard what the peer has not read yet, as there is unread input.
  const reading = connection.read(new Uint8Array(1));
  await peer.write(new TextEncoder().encode("unread"));
  await within(DEADLINE_MS, "the first byte", reading);
  const finishing = connection.finish(new TextEncoder().encode("last words"));
  // Once the peer can see the end of the output, it has ended for sure.
  const words = new Uint8Array(100);
  const seen = await within(DEADLINE_MS, "the last words", peer.read(words));
  assert.equal(new TextDecoder().decode(words.subarray(0, seen!)), "last words");
  assert.equal(await within(DEADLINE_MS, "the end", peer.read(words)), null);
  await assert.rejects(connection.write(Uint8Array.of(1)), ConnectionClosedError);
  assert.equal(connection.closed, false, "the connection lingers until the peer closes");
  peer.closeWrite();
  await within(DEADLINE_MS, "the end of the connection", finishing);
  assert.equal(connection.closed, true);
});
