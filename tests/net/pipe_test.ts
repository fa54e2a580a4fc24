import assert from "node:assert/strict";
import { pipe, type Socket } from "../../lib/net/pipe.ts";
import { within } from "../support/within.ts";

const DEADLINE_MS = 60_000;
const PIPE_BYTES = 64 * 1024;

async function readAll(socket: Socket): Promise<number[]> {
  const all: number[] = [];
  const chunk = new Uint8Array(1000);
  for (let count; (count = await socket.read(chunk)) !== null;) {
    all.push(...chunk.subarray(0, count));
  }
  return all;
}

Deno.test("pipe: bytes written at one end are read at the other, and the writer keeps its array", async () => {
  const [one, other] = pipe();
  const bytes = Uint8Array.of(1, 2, 3);
  assert.equal(await one.write(bytes), 3);
  bytes.fill(0);
  const into = new Uint8Array(2);
  assert.equal(await other.read(into), 2);
  assert.deepEqual([...into], [1, 2]);
  await one.closeWrite();
  assert.deepEqual(await readAll(other), [3]);
  assert.equal(await other.write(bytes), 3, "the way back is still open");
  assert.equal(await one.read(into), 2);
});

Deno.test("pipe: a write beyond the capacity waits for a read", async () => {
  const [one, other] = pipe();
  assert.equal(await one.write(new Uint8Array(PIPE_BYTES + 1)), PIPE_BYTES);
  let taken = false;
  const second = one.write(new Uint8Array(7)).finally(() => taken = true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(taken, false);
  await other.read(new Uint8Array(5));
  assert.equal(await within(DEADLINE_MS, "the write", second), 5);
});

Deno.test("pipe: closing one end settles all pending reads and writes", async () => {
  const [one, other] = pipe();
  const reads = [one.read(new Uint8Array(1)), other.read(new Uint8Array(1))] as const;
  one.close();
  await assert.rejects(within(DEADLINE_MS, "its own read", reads[0]), Deno.errors.BadResource);
  assert.equal(await within(DEADLINE_MS, "the other read", reads[1]), null);
  await assert.rejects(one.write(Uint8Array.of(1)), Deno.errors.BadResource);
  await assert.rejects(other.write(Uint8Array.of(1)), Deno.errors.BrokenPipe);

  const [reader, writer] = pipe();
  await writer.write(new Uint8Array(PIPE_BYTES));
  const write = writer.write(Uint8Array.of(1));
  reader.close();
  await assert.rejects(within(DEADLINE_MS, "the write", write), Deno.errors.BrokenPipe);
});
