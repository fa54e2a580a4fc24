import assert from "node:assert/strict";
import fc from "fast-check";
import { Batch } from "../../lib/bus/batch.ts";
import { History } from "../../lib/bus/history.ts";
import { lines, messages, payloadTexts } from "./support.ts";

Deno.test("History: keeps exactly the last messages that fit", () => {
  const sizes = fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }), { maxLength: 12 });
  fc.assert(fc.property(sizes, fc.nat(8), fc.nat(30), (batches, more, maxBytes) => {
    const maxMessages = 1 + more;
    const history = new History({ maxMessages, maxBytes });
    const all: string[] = [];
    let number = 0;
    for (const batch of batches) {
      const texts = batch.map((size) => String(number++ % 10).repeat(size));
      all.push(...texts);
      history.add(lines("s", texts));
      const expected: string[] = [];
      let bytes = 0;
      for (const text of all.toReversed().slice(0, maxMessages)) {
        bytes += text.length + 1;
        if (bytes > maxBytes) break;
        expected.unshift(text);
      }
      const recent = history.recent("s");
      assert.deepEqual(recent === undefined ? [] : payloadTexts(recent), expected);
    }
  }));
});

Deno.test("History: payloads count as the lines that they become", () => {
  const history = new History({ maxMessages: 2, maxBytes: 100 });
  assert.equal(history.recent("s"), undefined);
  history.add(Batch.ofPayloads("s", messages("a", "b\nc")));
  const recent = history.recent("s")!;
  assert.deepEqual([recent.subject, payloadTexts(recent)], ["s", ["b", "c"]]);
  assert.equal(history.recent("s"), recent, "made once");
});
