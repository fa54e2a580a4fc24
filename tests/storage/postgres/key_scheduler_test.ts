import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AddOperation,
  KeyScheduler,
  type Operation,
} from "../../../lib/storage/postgres/key_scheduler.ts";

interface TestOperation extends Operation {
  name: string;
  end(): void;
}

function operation(name: string, keys: string, bytes = 1): TestOperation {
  const { promise, resolve } = Promise.withResolvers<void>();
  const places = [...keys].map((key) => ({ space: 0, key }));
  return { name, places, bytes, ended: promise, end: resolve };
}

/** A scheduler whose batches are logged and end when the test says so. */
class Bench {
  readonly scheduler = new KeyScheduler();
  /** Batches in flight. */
  readonly flying: TestOperation[][] = [];
  readonly log: string[] = [];
  readonly #ends = new Map<TestOperation[], () => void>();
  readonly read: AddOperation<TestOperation>;
  readonly write: AddOperation<TestOperation>;
  readonly work: AddOperation<TestOperation>;

  constructor(maxFlying = 2, maxOperations = 100, maxBytes = 1000) {
    const lane = (lane: string, reads: boolean) =>
      this.scheduler.addLane<TestOperation>({
        reads,
        maxFlying,
        maxOperations,
        maxBytes,
        execute: (batch) => {
          this.log.push(`${lane} ${batch.map(({ name }) => name)}`);
          this.flying.push(batch);
          return new Promise((resolve) => this.#ends.set(batch, resolve));
        },
      });
    this.read = lane("read", true);
    this.write = lane("write", false);
    this.work = lane("work", false);
  }

  async end(index = 0): Promise<void> {
    const [batch] = this.flying.splice(index, 1);
    for (const operation of batch!) operation.end();
    this.#ends.get(batch!)!();
    await this.leave();
  }

  /** Lets the collecting batches be sent. */
  async leave(): Promise<void> {
    for (let turns = 0; turns < 5; turns++) await Promise.resolve();
  }
}

Deno.test("KeyScheduler: concurrent operations of a kind are sent together", async () => {
  const bench = new Bench();
  bench.write(operation("1", "a"));
  bench.read(operation("2", "b"));
  bench.write(operation("3", "a"));
  bench.read(operation("4", "bc"));
  bench.work(operation("5", "de"));
  await bench.leave();
  assert.deepEqual(bench.log, ["write 1,3", "read 2,4", "work 5"]);
});

Deno.test("KeyScheduler: an operation waits for a key in use, and later ones on its keys wait behind it", async () => {
  const bench = new Bench();
  bench.write(operation("1", "a"));
  bench.read(operation("2", "a"));
  bench.write(operation("3", "a"));
  bench.work(operation("4", "ab"));
  bench.write(operation("5", "b"));
  bench.write(operation("6", "c"));
  await bench.leave();
  assert.deepEqual(bench.log, ["write 1,6"]);
  await bench.end();
  assert.deepEqual(bench.log.splice(1), ["read 2"]);
  await bench.end();
  assert.deepEqual(bench.log.splice(1), ["write 3"]);
  await bench.end();
  assert.deepEqual(bench.log.splice(1), ["work 4"]);
  await bench.end();
  assert.deepEqual(bench.log.splice(1), ["write 5"]);
});

Deno.test("KeyScheduler: limits the size of a batch and the batches in flight", async () => {
  const bench = new Bench(2, 3, 10);
  for (let number = 1; number <= 8; number++) bench.write(operation(`${number}`, `${number}`));
  bench.write(operation("big", "x", 50));
  bench.write(operation("next", "y"));
  await bench.leave();
  assert.deepEqual(bench.log, ["write 1,2,3", "write 4,5,6"]);
  await bench.end();
  await bench.end();
  assert.deepEqual(bench.log.splice(2), ["write 7,8,big", "write next"]);
});

Deno.test("KeyScheduler.settled: resolves when all operations added before have ended", async () => {
  const bench = new Bench();
  bench.write(operation("1", "a"));
  bench.read(operation("2", "a"));
  let settled = false;
  const wait = bench.scheduler.settled().then(() => settled = true);
  await bench.leave();
  await bench.end();
  assert.equal(settled, false);
  await bench.end();
  await wait;
  await bench.scheduler.settled();
});

Deno.test("KeyScheduler: operations on a key run in order, and each one runs", async () => {
  const step = fc.oneof(
    fc.record({
      lane: fc.constantFrom("read" as const, "write" as const, "work" as const),
      keys: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ end: fc.nat() }),
    fc.constant("leave" as const),
  );
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const bench = new Bench(2, 3);
    const begun: { number: number; reads: boolean; keys: string[]; ended: boolean }[] = [];
    const all = new Map<string, typeof begun[number]>();
    const check = () => {
      // Every earlier operation on the keys of one in flight has ended or is in the same batch.
      for (const batch of bench.flying) {
        for (const { name } of batch) {
          const mine = all.get(name)!;
          for (const other of begun) {
            if (other.ended || other.number >= mine.number || (mine.reads && other.reads)) continue;
            if (batch.some(({ name }) => name === `${other.number}`)) continue;
            assert.ok(!other.keys.some((key) => mine.keys.includes(key)), `${name} was too early`);
          }
        }
      }
    };
    const end = async (index: number) => {
      for (const { name } of bench.flying[index]!) all.get(name)!.ended = true;
      await bench.end(index);
      check();
    };
    for (const step of steps) {
      if (step === "leave") {
        await bench.leave();
      } else if ("end" in step) {
        if (bench.flying.length > 0) await end(step.end % bench.flying.length);
      } else {
        const number = begun.length;
        const entry = { number, reads: step.lane === "read", keys: step.keys, ended: false };
        begun.push(entry);
        all.set(`${number}`, entry);
        bench[step.lane](operation(`${number}`, step.keys.join("")));
      }
      check();
    }
    await bench.leave();
    while (bench.flying.length > 0) await end(0);
    assert.ok(begun.every(({ ended }) => ended));
  }));
});
