import assert from "node:assert/strict";
import {
  PreparedMemory,
  touched,
  UnpreparedMemoryError,
} from "../../../lib/storage/memory/prepared_memory.ts";
import { nextTurn, Turn } from "../../../lib/turn.ts";

const MIB = 1024 * 1024;

function prepared(): PreparedMemory {
  const memory = new PreparedMemory();
  memory.required = true;
  return memory;
}

/** What a change throws that lacks memory. */
function lacks(change: () => unknown): UnpreparedMemoryError {
  try {
    change();
  } catch (error) {
    if (error instanceof UnpreparedMemoryError) return error;
    throw error;
  }
  throw new Error("It lacks nothing");
}

Deno.test("touched takes turns", async () => {
  const { next } = Turn.prototype;
  const over = Object.getOwnPropertyDescriptor(Turn.prototype, "over")!;
  let turns = 0;
  Object.defineProperty(Turn.prototype, "over", { get: () => true, configurable: true });
  Turn.prototype.next = () => Promise.resolve(void turns++);
  try {
    assert.equal((await touched(MIB + 8)).byteLength, MIB + 8);
  } finally {
    Object.defineProperty(Turn.prototype, "over", over);
    Turn.prototype.next = next;
  }
  assert.equal(turns, 17);
});

Deno.test("PreparedMemory allocates short buffers at once, and all while that is not required", () => {
  const memory = prepared();
  assert.equal(memory.allocate(MIB / 2).byteLength, MIB / 2);
  assert.equal(lacks(() => memory.allocate(MIB)).bytes, MIB);
  memory.required = false;
  assert.equal(memory.allocate(MIB).byteLength, MIB);
});

Deno.test("PreparedMemory runs a change again until it has all that it lacks", async () => {
  const memory = prepared();
  const runs: number[] = [];
  const change = () => {
    let buffers = 0;
    runs.push(0);
    for (const size of [MIB, MIB, 2 * MIB]) {
      memory.allocate(size);
      runs[runs.length - 1] = ++buffers;
    }
    return buffers;
  };
  const work = memory.retry(lacks(change), change, () => undefined);
  assert.equal(memory.waiting, 1);
  assert.equal(await work, 3);
  assert.deepEqual(runs, [0, 1, 2, 3]);
  assert.equal(memory.waiting, 0);
  assert.equal(lacks(() => memory.allocate(MIB)).bytes, MIB, "what is left over is dropped");
});

Deno.test("PreparedMemory waits until a change may run, and passes on its error", async () => {
  const memory = prepared();
  let gate: Promise<void> | undefined = Promise.resolve().then(() => gate = undefined);
  const change = (): never => {
    assert.equal(gate, undefined);
    memory.allocate(MIB);
    throw new RangeError("no");
  };
  await assert.rejects(
    memory.retry(new UnpreparedMemoryError(MIB), change, () => gate),
    RangeError,
  );
  assert.equal(memory.waiting, 0);
});

Deno.test("PreparedMemory: changes wait in order, but not for each other's results", async () => {
  const memory = prepared();
  const order: string[] = [];
  const durable = Promise.withResolvers<string>();
  const change = (name: string, result: string | Promise<string>) => () => {
    memory.allocate(MIB);
    order.push(name);
    return result;
  };
  const error = new UnpreparedMemoryError(MIB);
  // The second is ready earlier.
  let gate: Promise<void> | undefined = (async () => {
    for (let turns = 0; turns < 50; turns++) await nextTurn();
    gate = undefined;
  })();
  const first = memory.retry(error, change("first", durable.promise), () => gate);
  const second = memory.retry(error, change("second", "done"), () => undefined);
  assert.equal(memory.waiting, 2);
  assert.equal(await second, "done");
  durable.resolve("durable");
  assert.equal(await first, "durable");
  assert.deepEqual(order, ["first", "second"]);
});
