import assert from "node:assert/strict";
import { retry, RetryError } from "@std/async/retry";

const FAST = { minTimeout: 1, jitter: 0 };

/** Makes a function that fails `times` times, then succeeds, and counts its calls. */
function failing(times: number): { call: () => Promise<string>; calls: number } {
  const state = {
    calls: 0,
    call: () =>
      ++state.calls > times ? Promise.resolve("done") : Promise.reject(new Error(`${state.calls}`)),
  };
  return state;
}

Deno.test("retry(): returns the first result", async () => {
  assert.equal(await retry(() => 7), 7);
  const some = failing(3);
  assert.equal(await retry(some.call, FAST), "done");
  assert.equal(some.calls, 4);
});

Deno.test("retry(): fails after five attempts, with the last error as the cause", async () => {
  const some = failing(10);
  await assert.rejects(retry(some.call, FAST), (error) => {
    assert.ok(error instanceof RetryError);
    assert.equal(error.name, "RetryError");
    assert.match(error.message, /5/);
    assert.equal((error.cause as Error).message, "5");
    return true;
  });
  assert.equal(some.calls, 5);
});

Deno.test("retry(): maxAttempts is the number of calls", async () => {
  const some = failing(10);
  await assert.rejects(retry(some.call, { ...FAST, maxAttempts: 1 }), RetryError);
  assert.equal(some.calls, 1);
});

Deno.test("retry(): retries after a synchronous throw", async () => {
  let calls = 0;
  const result = await retry(() => {
    if (++calls === 1) throw new Error("first");
    return calls;
  }, FAST);
  assert.equal(result, 2);
});

Deno.test("retry(): rethrows an error that is not retriable", async () => {
  const some = failing(10);
  const isRetriable = (error: unknown) => (error as Error).message !== "2";
  await assert.rejects(retry(some.call, { ...FAST, isRetriable }), { name: "Error", message: "2" });
  assert.equal(some.calls, 2);
});

Deno.test("retry(): multiplies each wait, up to maxTimeout", async () => {
  const calls: number[] = [];
  const options = { minTimeout: 20, multiplier: 3, maxTimeout: 50, maxAttempts: 4, jitter: 0 };
  await assert.rejects(
    retry(() => {
      calls.push(performance.now());
      throw new Error("again");
    }, options),
    RetryError,
  );
  const waits = calls.slice(1).map((ms, index) => ms - calls[index]!);
  for (const [index, ms] of [20, 50, 50].entries()) {
    assert.ok(waits[index]! >= ms - 1, `wait ${index + 1}: ${waits[index]} ms`);
  }
});

Deno.test("retry(): rejects invalid options before the first call", async () => {
  const some = failing(0);
  const refused = [
    { maxTimeout: 0 },
    { maxTimeout: -1 },
    { minTimeout: 100, maxTimeout: 50 },
    { jitter: 2 },
  ];
  for (const options of refused) {
    // The error class differs between versions: TypeError in the first ones, RangeError later.
    await assert.rejects(retry(some.call, options), /Cannot retry as/);
  }
  assert.equal(some.calls, 0);
});
