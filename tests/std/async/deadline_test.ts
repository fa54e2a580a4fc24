import assert from "node:assert/strict";
import { deadline } from "@std/async/deadline";

const never = new Promise<never>(() => {});

Deno.test("deadline(): settles like a promise that settles in time", async () => {
  assert.equal(await deadline(Promise.resolve(7), 1000), 7);
  const failure = new Error("no");
  await assert.rejects(deadline(Promise.reject(failure), 1000), (error) => error === failure);
});

Deno.test("deadline(): rejects with a TimeoutError when the time has passed", async () => {
  // The deadline does not keep the process alive.
  const alive = setInterval(() => {}, 1000);
  const startMs = performance.now();
  await assert.rejects(
    deadline(never, 30),
    (error) => error instanceof DOMException && error.name === "TimeoutError",
  );
  assert.ok(performance.now() - startMs >= 29);
  clearInterval(alive);
});

Deno.test("deadline(): rejects with the reason of a signal that aborts first", async () => {
  const controller = new AbortController();
  const waiting = deadline(never, 100_000, { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
});

// The program must not rely on more than the registry's package does.
Deno.test("deadline(): beyond the longest timer the time is over at once", async () => {
  const alive = setInterval(() => {}, 1000);
  await assert.rejects(deadline(never, 2 ** 31), { name: "TimeoutError" });
  clearInterval(alive);
});
