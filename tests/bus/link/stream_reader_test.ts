import assert from "node:assert/strict";
import { StreamPosition } from "../../../lib/bus/link/stream_reader.ts";

Deno.test("StreamPosition: goes on in the same stream, and begins anew in another", () => {
  const position = new StreamPosition();
  assert.equal(position.enter("today", 10), false);
  assert.equal(position.sequence, 10, "it skips what is there the first time");
  position.sequence = 12;
  assert.equal(position.enter("today", 15), false);
  assert.equal(position.enter("today", 12), false);
  assert.equal(position.sequence, 12);
  assert.equal(position.enter("later", 20), true, "it is another stream, though a longer one");
  assert.equal(position.sequence, 0);
  position.sequence = 5;
  assert.equal(position.enter("later", 4), true, "its messages are gone");
  assert.deepEqual([position.sequence, position.streamsLost], [0, 2]);
});
