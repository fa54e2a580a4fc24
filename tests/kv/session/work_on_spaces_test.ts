import assert from "node:assert/strict";
import { UndeclaredKeyError } from "../../../lib/kv/commands/discovered_needs.ts";
import type { KeyWork } from "../../../lib/kv/commands/command.ts";
import { runWorkOnSpaces } from "../../../lib/kv/session/work_on_spaces.ts";
import type { Entry, Place, SpaceTransaction } from "../../../lib/storage/store.ts";

Deno.test("runWorkOnSpaces() reads each place once, many at a time, however often the work runs", async () => {
  const read: string[] = [];
  let reading = 0, mostReading = 0;
  const tx = {
    nowMs: 0,
    get: async (_space: number, key: string): Promise<Entry> => {
      read.push(key);
      mostReading = Math.max(mostReading, ++reading);
      await Promise.resolve();
      reading--;
      return { value: `value of ${key}`, version: 1, expiresAtMs: 0 };
    },
  } as unknown as SpaceTransaction;

  const places: Place[] = [];
  let runs = 0;
  const work: KeyWork = {
    places,
    grows: true,
    run: (transaction) => {
      // As a script that asks for all keys, and then finds that it needs more.
      const needs = [0, 250, 251][runs++];
      if (needs !== undefined) {
        while (places.length < needs) places.push({ space: 0, key: `k${places.length}` });
        throw new UndeclaredKeyError();
      }
      const values = places.map(({ space, key }) => transaction.get(space, key)?.value);
      assert.deepEqual(values, places.map(({ key }) => `value of ${key}`));
      return `${values.length} values`;
    },
  };
  assert.equal(await runWorkOnSpaces(work, tx), "251 values");
  assert.equal(runs, 4);
  assert.deepEqual(read, places.map(({ key }) => key));
  assert.equal(mostReading, 100);
});
