import assert from "node:assert/strict";
import { join } from "node:path";
import { within } from "../../support/within.ts";
import type { FaultPoint } from "../../../lib/storage/sqlite/fault.ts";
import { StorageUnavailableError } from "../../../lib/storage/store.ts";
import { openStore, randomFrom, stateOf, StoreModel } from "./store_model.ts";

/** Limit on the time of one test. Far away, since the machine may be busy. */
const TEST_DEADLINE_MS = 600_000;

/** Runs a test with a directory and a new seed, which an error names. */
async function withSeed(run: (directory: string, seed: number) => Promise<void>): Promise<void> {
  const seed = Date.now() & 0xffffff;
  const directory = await Deno.makeTempDir();
  try {
    await within(TEST_DEADLINE_MS, `the test with seed ${seed}`, run(directory, seed));
  } catch (error) {
    // A test that is too late still makes files, so this may fail.
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    throw new Error(`with seed ${seed}`, { cause: error });
  }
  await Deno.remove(directory, { recursive: true });
}

Deno.test("MemoryStore: has the same entries after any number of snapshots and restarts", async () => {
  const ROUNDS = 30;
  const FIRST_STEPS = 100;
  /** So few that most pieces stay as they are, and a missed change is not made good by another. */
  const STEPS = 4;
  await withSeed(async (directory, seed) => {
    const path = join(directory, "test.db");
    const random = randomFrom(seed);
    const model = new StoreModel(random);
    for (let round = 0; round < ROUNDS; round++) {
      await using opened = await openStore(path);
      const { store, log } = opened;
      assert.equal(await stateOf(store), model.state(), `round ${round}`);
      const before = round === 0 ? FIRST_STEPS : random(STEPS);
      for (let step = 0; step < before; step++) await model.step(store);
      const snapshot = random(3) === 0 ? undefined : log.snapshot();
      if (random(2) === 0) await snapshot;
      const after = random(STEPS);
      for (let step = 0; step < after; step++) await model.step(store);
      await snapshot;
      assert.equal(await stateOf(store), model.state(), `end of round ${round}`);
    }
  });
});

Deno.test("MemoryStore: a crash at any step leaves an acknowledged state, which later snapshots keep", async () => {
  const ROUNDS = 2;
  const STEPS = 20;
  /** One image in this many is opened, then gets a snapshot and is opened once more. */
  const SAMPLE = 4;
  await withSeed(async (directory, seed) => {
    const path = join(directory, "test.db");
    const random = randomFrom(seed);
    const model = new StoreModel(random);
    let opens = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const images = join(directory, `images ${round}`);
      await Deno.mkdir(images);
      const count = () =>
        [...Deno.readDirSync(images)].filter(({ name }) => name.endsWith(".db")).length;
      /** The state after each step, and the number of images at its end. */
      const states: { state: string; images: number }[] = [{ state: model.state(), images: 0 }];
      {
        const fault = { point: "any", action: "copy", directory: images } as const;
        await using opened = await openStore(path, { fault });
        const { store, log } = opened;
        let snapshot = Promise.resolve();
        states[0]!.images = count();
        for (let step = 0; step < STEPS; step++) {
          if (step % 8 === 4) {
            await snapshot;
            snapshot = log.snapshot();
          }
          await model.step(store);
          states.push({ state: model.state(), images: count() });
        }
        await snapshot;
      }
      const first = states[0]!.images + 1;
      for (let image = first; image <= count(); image++) {
        if (random(SAMPLE) !== 0) continue;
        const copy = join(images, `${image}.db`);
        const least = states.findLastIndex((state) => state.images < image);
        const most = Math.min(least + 1, states.length - 1);
        const acceptable = states.slice(least, most + 1).map(({ state }) => state);
        const place = `round ${round}, image ${image}, step ${least}`;
        let state: string;
        {
          await using opened = await openStore(copy);
          state = await stateOf(opened.store);
          assert.ok(acceptable.includes(state), `${place}: not an acknowledged state`);
          await opened.log.snapshot();
        }
        opens++;
        await using again = await openStore(copy);
        assert.ok(await stateOf(again.store) === state, `${place}: changed by a snapshot`);
      }
      await Deno.remove(images, { recursive: true });
    }
    assert.ok(opens >= 5, `${opens} images`);
  });
});

/** SQLite's result codes: a disk with an error, a file that must be reopened, a full disk. */
const CODES = [10, 14, 13];

/**
 * Lets the n-th pass of a point fail, once or twice, while the store is used; then restarts.
 *
 * @returns The number of failures that the callers saw.
 */
async function failAt(path: string, seed: number, point: FaultPoint, at: number): Promise<number> {
  const STEPS = 10;
  const random = randomFrom(seed + at);
  const model = new StoreModel(random);
  const fault = { point, action: "fail", at, times: 1 + at % 2, code: CODES[at % 3]! } as const;
  const place = `${point} ${at}`;
  let failures = 0;
  try {
    await using opened = await openStore(path, { fault });
    const { store, log } = opened;
    for (let step = 0; step < STEPS; step++) {
      const snapshot = step % 3 !== 2 ? undefined : log.snapshot().catch((error) => {
        assert.ok(error instanceof StorageUnavailableError, place);
        failures++;
      });
      if (!await model.attempt(store)) failures++;
      await snapshot;
      assert.equal(await stateOf(store), model.state(), `${place}, step ${step}`);
    }
  } catch (error) {
    // The first commits are part of opening.
    if (!(error instanceof StorageUnavailableError)) throw error;
    failures++;
  }
  await using again = await openStore(path);
  assert.equal(await stateOf(again.store), model.state(), `${place}, restarted`);
  assert.ok(await model.attempt(again.store), place);
  await again.log.snapshot();
  assert.equal(await stateOf(again.store), model.state(), `${place}, written again`);
  return failures;
}

Deno.test("MemoryStore: whichever commit or step of a snapshot fails, the store has what was acknowledged", async () => {
  /** How often a point is passed at least. */
  const PASSES = { commit: 14, piece: 3, trim: 3, trimming: 3 } as const;
  await withSeed(async (directory, seed) => {
    let file = 0;
    for (const [point, passes] of Object.entries(PASSES)) {
      for (let at = 1; at <= passes; at++) {
        const path = join(directory, `${file++}.db`);
        const failures = await failAt(path, seed, point as FaultPoint, at);
        if (at === 1) assert.ok(failures > 0, `${point} did not fail`);
      }
    }
  });
});
