import assert from "node:assert/strict";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatLatency,
} from "../../../lib/admin/page/format.ts";

Deno.test("formatCount(), formatBytes(), formatLatency(), formatAge() write short texts", () => {
  assert.deepEqual(
    [0, 7, 99.96, 999, 999.7, 12_345, 2_000_000].map(formatCount),
    ["0", "7", "100", "999", "1.00 k", "12.3 k", "2.00 M"],
  );
  assert.deepEqual([0, 1023, 1536, 5 * 1024 ** 3].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.50 KiB",
    "5.00 GiB",
  ]);
  assert.deepEqual([0, 0.000_085, 0.012, 3.5].map(formatLatency), [
    "0 ms",
    "85.0 µs",
    "12.0 ms",
    "3.50 s",
  ]);
  assert.deepEqual([5, 65, 3700, 90_000].map(formatAge), ["5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
});
