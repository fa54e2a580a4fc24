import assert from "node:assert/strict";
import fc from "fast-check";
import { cut, damaged, pieceLengths } from "./input.ts";
import type { FuzzTarget } from "./target.ts";

/** No input of this size may take longer, even on a busy machine. */
const INPUT_MAX_MS = 5000;

/** How long to fuzz, or how often; and what decides which inputs come. */
export interface FuzzOptions {
  runs?: number;
  ms?: number;
  seed?: number;
}

/**
 * Fuzzes a target: whole and cut into pieces, an input must give the same, and no read may depend on
 * what lies around a piece.
 *
 * @returns How many inputs were tried.
 * @throws {Error} With the smallest input that fails, and the seed that leads to it.
 */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<number> {
  const { runs = Number.MAX_SAFE_INTEGER, ms, seed } = options;
  let tried = 0;
  const property = fc.asyncProperty(
    damaged(target.samples),
    pieceLengths,
    async (bytes, lengths) => {
      tried++;
      const startMs = performance.now();
      const whole = await target.run(cut(bytes, [Math.max(1, bytes.length)], 0x0a));
      const pieces = await target.run(cut(bytes, lengths, 0x31));
      assert.deepEqual(pieces, whole);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs < INPUT_MAX_MS, `${bytes.length} bytes take ${tookMs} ms`);
    },
  );
  await fc.assert(property, {
    numRuns: runs,
    ...(seed === undefined ? {} : { seed }),
    ...(ms === undefined ? {} : { interruptAfterTimeLimit: ms, markInterruptAsFailure: false }),
  });
  return tried;
}
