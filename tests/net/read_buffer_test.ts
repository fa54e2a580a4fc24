import assert from "node:assert/strict";
import { ReadBuffer } from "../../lib/net/read_buffer.ts";
import { ControlledTurns } from "../support/controlled_turns.ts";

const MIB = 1024 * 1024;

Deno.test("ReadBuffer that grows in turns keeps every byte of a long request", async () => {
  using turns = new ControlledTurns(() => true);
  const buffer = new ReadBuffer({ maxBytes: 8 * MIB, growsInTurns: true });
  let sent = 0;
  const connection = {
    read(into: Uint8Array): Promise<number> {
      for (let at = 0; at < into.length; at++) into[at] = (sent + at) % 251;
      sent += into.length;
      return Promise.resolve(into.length);
    },
  };
  await buffer.fill(connection);
  buffer.consume(100);
  while (buffer.end - buffer.start < 6 * MIB) await buffer.fill(connection);
  assert.ok(turns.count > 4, `${turns.count} turns`);
  for (let at = buffer.start; at < buffer.end; at++) {
    if (buffer.bytes[at] !== (100 + at - buffer.start) % 251) assert.fail(`wrong at ${at}`);
  }
  assert.equal(buffer.end - buffer.start, sent - 100);
  await assert.rejects(async () => {
    for (;;) await buffer.fill(connection);
  }, RangeError);
});

Deno.test("ReadBuffer is small while little comes, and large after one full read", async () => {
  const buffer = new ReadBuffer({ maxBytes: MIB });
  const offered: number[] = [];
  async function receive(count: number): Promise<void> {
    const read = (into: Uint8Array) => {
      offered.push(into.length);
      return Promise.resolve(Math.min(count, into.length));
    };
    await buffer.fill({ read });
    buffer.consume(buffer.end - buffer.start);
  }
  await receive(MIB);
  await receive(MIB);
  await receive(MIB);
  assert.deepEqual(offered, [512, 4096, 8192]);
  while (offered.length < 200) await receive(20);
  assert.equal(offered.at(-1), 512);
});
