import assert from "node:assert/strict";
import { abortable } from "@std/async/abortable";

const never = new Promise<never>(() => {});

Deno.test("abortable(): settles like the promise", async () => {
  const { signal } = new AbortController();
  assert.equal(await abortable(Promise.resolve(7), signal), 7);
  const failure = new Error("no");
  await assert.rejects(abortable(Promise.reject(failure), signal), (error) => error === failure);
});

Deno.test("abortable(): rejects with an AbortError when the signal aborts", async () => {
  const controller = new AbortController();
  const waiting = abortable(never, controller.signal);
  controller.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

Deno.test("abortable(): rejects with the reason of the signal", async () => {
  const controller = new AbortController();
  const waiting = abortable(never, controller.signal);
  const reason = new RangeError("enough");
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
});

Deno.test("abortable(): rejects at once if the signal has already aborted", async () => {
  await assert.rejects(abortable(never, AbortSignal.abort()), { name: "AbortError" });
});

Deno.test("abortable(): handles a rejection that follows the abort", async () => {
  const late = Promise.withResolvers<void>();
  const controller = new AbortController();
  const waiting = abortable(late.promise, controller.signal);
  controller.abort();
  await assert.rejects(waiting);
  late.reject(new Error("late"));
  await new Promise((resolve) => setTimeout(resolve, 0));
});

Deno.test("abortable(): yields items until the signal aborts", async () => {
  async function* items() {
    yield 1;
    yield 2;
    await blocked.promise;
  }
  const blocked = Promise.withResolvers<void>();
  const controller = new AbortController();
  controller.signal.addEventListener("abort", () => blocked.resolve());
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const item of abortable(items(), controller.signal)) {
        seen.push(item);
        if (item === 2) queueMicrotask(() => controller.abort());
      }
    },
    { name: "AbortError" },
  );
  assert.deepEqual(seen, [1, 2]);
});

Deno.test("abortable(): ends with the last item", async () => {
  async function* items() {
    yield "a";
    yield "b";
  }
  const { signal } = new AbortController();
  assert.deepEqual(await Array.fromAsync(abortable(items(), signal)), ["a", "b"]);
});

// The program must not abort an iteration whose source may wait for ever.
Deno.test("abortable(): an aborted iteration ends only after the source's pending read", async () => {
  const { promise: read, resolve: endRead } = Promise.withResolvers<void>();
  async function* items() {
    await read;
    yield 1;
  }
  const controller = new AbortController();
  let ended = false;
  const iteration = abortable(items(), controller.signal).next().finally(() => ended = true);
  controller.abort();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(ended, false);
  endRead();
  await assert.rejects(iteration, { name: "AbortError" });
});
