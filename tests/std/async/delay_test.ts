import assert from "node:assert/strict";
import { delay } from "@std/async/delay";

Deno.test("delay(): resolves after the time, and not before", async () => {
  const startMs = performance.now();
  assert.equal(await delay(30), undefined);
  // Timers count whole milliseconds.
  assert.ok(performance.now() - startMs >= 29);
});

Deno.test("delay(): rejects with the reason of a signal that aborts, and leaves no timer", async () => {
  const controller = new AbortController();
  const waiting = delay(100_000, { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
});

Deno.test("delay(): rejects at once if the signal has already aborted", async () => {
  const waiting = delay(100_000, { signal: AbortSignal.abort() });
  await assert.rejects(waiting, { name: "AbortError" });
});

Deno.test("delay(): ignores a signal that aborts afterwards", async () => {
  const controller = new AbortController();
  await delay(1, { signal: controller.signal });
  controller.abort();
});

Deno.test("delay(): does not resolve early beyond the longest timer", async () => {
  for (const ms of [2 ** 31, 2 ** 40, Infinity]) {
    const controller = new AbortController();
    let isOver = false;
    const waiting = delay(ms, { signal: controller.signal }).then(() => isOver = true);
    await delay(20);
    assert.equal(isOver, false);
    controller.abort();
    await assert.rejects(waiting, { name: "AbortError" });
  }
});
