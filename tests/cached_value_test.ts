import assert from "node:assert/strict";
import { CachedValue } from "../lib/cached_value.ts";

const MAX_AGE_MS = 1000;

/** A cached value whose loads and clock the test controls. */
function makeValue() {
  const loads: PromiseWithResolvers<number>[] = [];
  const errors: unknown[] = [];
  const clock = { nowMs: 0 };
  const cached = new CachedValue<number>({
    load: () => {
      loads.push(Promise.withResolvers());
      return loads.at(-1)!.promise;
    },
    maxAgeMs: MAX_AGE_MS,
    onError: (error) => errors.push(error),
    now: () => clock.nowMs,
  });
  /** Lets everything happen that waits for nothing but a settled promise. */
  const settle = () => new Promise((resolve) => setTimeout(resolve));
  return { cached, loads, errors, clock, settle };
}

Deno.test("CachedValue: a read never waits, and there is one load at a time", async () => {
  const { cached, loads, clock, settle } = makeValue();
  for (let i = 0; i < 3; i++) assert.equal(cached.value, undefined);
  assert.equal(loads.length, 1);
  loads[0]!.resolve(7);
  await settle();
  assert.equal(cached.value, 7);
  clock.nowMs += MAX_AGE_MS;
  for (let i = 0; i < 3; i++) assert.equal(cached.value, 7, "the old value, while it loads");
  assert.equal(loads.length, 2);
  loads[1]!.resolve(8);
  await settle();
  assert.equal(cached.value, 8);
});

Deno.test("CachedValue: a value is not reloaded before its maximum age", async () => {
  const { cached, loads, clock, settle } = makeValue();
  assert.equal(cached.value, undefined);
  loads[0]!.resolve(7);
  await settle();
  clock.nowMs += MAX_AGE_MS - 1;
  assert.equal(cached.value, 7);
  assert.equal(loads.length, 1);
  clock.nowMs += 1;
  assert.equal(cached.value, 7);
  assert.equal(loads.length, 2);
});

Deno.test("CachedValue: after a slow load it rests for twenty times as long", async () => {
  const { cached, loads, clock, settle } = makeValue();
  assert.equal(cached.value, undefined);
  clock.nowMs += MAX_AGE_MS;
  loads[0]!.resolve(7);
  await settle();
  clock.nowMs += 20 * MAX_AGE_MS - 1;
  assert.equal(cached.value, 7);
  assert.equal(loads.length, 1);
  clock.nowMs += 1;
  assert.equal(cached.value, 7);
  assert.equal(loads.length, 2);
});

Deno.test("CachedValue: a failed load leaves no value, rather than the old one", async () => {
  const { cached, loads, errors, clock, settle } = makeValue();
  assert.equal(cached.value, undefined);
  loads[0]!.resolve(7);
  await settle();
  clock.nowMs += MAX_AGE_MS;
  assert.equal(cached.value, 7);
  loads[1]!.reject(new Error("gone"));
  await settle();
  assert.equal(cached.value, undefined);
  assert.deepEqual(errors.map(String), ["Error: gone"]);
  assert.equal(loads.length, 2, "a failure is not retried at once");
});
