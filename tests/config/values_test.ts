import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatDuration,
  formatSize,
  parseDuration,
  parseRate,
  parseSize,
} from "../../lib/config/values.ts";

Deno.test("parseSize() parses sizes in binary units", () => {
  const sizes = [["0B", 0], ["64KiB", 65536], ["1.5MiB", 1572864], ["2TiB", 2 ** 41], [
    "1GiB",
    2 ** 30,
  ]] as const;
  for (const [text, bytes] of sizes) assert.equal(parseSize(text), bytes);
  for (const text of ["", "64", "KiB", "-1KiB", "1 KiB x", "1XB", "2KB", "2kib", "1 KiB"]) {
    assert.equal(parseSize(text), undefined);
  }
});

Deno.test("parseDuration() parses times in one or several units", () => {
  const times = [["0s", 0], ["20ms", 20], ["1.5s", 1500], ["1h30m", 5_400_000], [
    "2d",
    172_800_000,
  ]] as const;
  for (const [text, ms] of times) assert.equal(parseDuration(text), ms);
  for (const text of ["", "10", "s", "-1s", "1 s", "1y"]) {
    assert.equal(parseDuration(text), undefined);
  }
});

Deno.test("parseRate() parses how often, as the time from one to the next", () => {
  const rates = [["100/s", 10], ["30/m", 2000], ["1/h", 3_600_000], ["2/d", 43_200_000]] as const;
  for (const [text, ms] of rates) assert.equal(parseRate(text), ms);
  for (const text of ["", "100", "/s", "0/s", "-1/s", "1/y", "1.5/s", "1 /s", "1/2s", "off"]) {
    assert.equal(parseRate(text), undefined);
  }
});

Deno.test("formatSize() and formatDuration() produce text that parses back", () => {
  fc.assert(fc.property(fc.nat(), (amount) => {
    assert.equal(parseSize(formatSize(amount)), amount);
    assert.equal(parseDuration(formatDuration(amount)), amount);
  }));
});
