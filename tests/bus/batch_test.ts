import assert from "node:assert/strict";
import fc from "fast-check";
import { Batch } from "../../lib/bus/batch.ts";
import { lines, messages, payloadTexts, texts } from "./support.ts";

Deno.test("Batch: lines keep their bytes, and become payloads without line ends", () => {
  const batch = Batch.ofLines("s", messages("a\n", "\n", "b\r\n", "\r\n", "c\rd\n"));
  assert.equal(batch.count, 5);
  assert.deepEqual(texts(batch.lines), ["a\n", "\n", "b\r\n", "\r\n", "c\rd\n"]);
  assert.deepEqual(payloadTexts(batch), ["a", "", "b", "", "c\rd"]);
  assert.equal(batch.payloads.bytes, batch.lines.bytes, "nothing is copied");
});

Deno.test("Batch: a payload becomes a line, or several if it has newlines", () => {
  const batch = Batch.ofPayloads("s", messages("a", "", "b\nc", "d\n", "\n\n", "e\r\nf"));
  assert.equal(batch.count, 6);
  assert.deepEqual(
    texts(batch.lines),
    ["a\n", "\n", "b\n", "c\n", "d\n", "\n", "\n", "e\r\n", "f\n"],
  );
  assert.equal(batch.lines, batch.lines, "made once");
});

Deno.test("Batch: payloads may lie anywhere in their array", () => {
  const bytes = new TextEncoder().encode("PUB s 1\r\na\r\nPUB s 2\r\nbc\r\n");
  const batch = Batch.ofPayloads("s", { bytes, starts: [9, 21], ends: [10, 23] });
  assert.deepEqual(payloadTexts(batch), ["a", "bc"]);
  assert.deepEqual(texts(batch.lines), ["a\n", "bc\n"]);
  assert.equal(batch.byteLength, 3);
});

Deno.test("Batch: slices and joined batches hold the same messages", () => {
  const words = fc.array(fc.constantFrom("", "a", "bc", "d\ne", "f\n"), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(fc.property(words, fc.boolean(), fc.nat(), fc.nat(), (words, asLines, x, y) => {
    const list = asLines ? words.map((word) => `${word.replaceAll("\n", "")}\n`) : words;
    const batch = asLines
      ? Batch.ofLines("s", messages(...list))
      : Batch.ofPayloads("s", messages(...list));
    const [from, to] = [x % (list.length + 1), y % (list.length + 1)].sort((a, b) => a - b);
    const slice = batch.slice(from!, to!);
    assert.equal(slice.count, to! - from!);
    assert.deepEqual(payloadTexts(slice), payloadTexts(batch).slice(from, to));
    const rest = [batch.slice(0, from!), slice, batch.slice(to!, list.length)];
    assert.ok(rest[0]!.joins(rest[1]!));
    const joined = Batch.joined(rest);
    assert.deepEqual(payloadTexts(joined), payloadTexts(batch));
    assert.deepEqual(texts(joined.lines), texts(batch.lines));
  }));
});

Deno.test("Batch: only batches that differ in nothing but their messages are joined", () => {
  const origin = {};
  const batch = lines("s", ["a"], origin);
  const payload = (options = {}) => Batch.ofPayload("s", new Uint8Array(1), { origin, ...options });
  assert.ok(batch.joins(lines("s", ["b"], origin)));
  assert.ok(payload().joins(payload()));
  const others = [
    lines("t", ["b"], origin),
    lines("s", ["b"], {}),
    payload(),
    payload({ reply: "r" }),
    payload({ headers: new Uint8Array(12) }),
  ];
  for (const other of others) assert.ok(!batch.joins(other) && !other.joins(batch));
  assert.ok(!payload().joins(payload({ reply: "r" })));
});

Deno.test("Batch: a form of a protocol is made once", () => {
  const batch = lines("s", ["a"]);
  let made = 0;
  const encode = () => messages(`${++made}`);
  assert.deepEqual(texts(batch.encoded("x", encode)), ["1"]);
  assert.deepEqual(texts(batch.encoded("x", encode)), ["1"]);
  assert.deepEqual(texts(batch.encoded("y", encode)), ["2"]);
});

Deno.test("Batch: many forms of a long message are not all kept", () => {
  const batch = lines("s", ["a"]);
  let made = 0;
  const encode = () => {
    made++;
    return { bytes: new Uint8Array(1024 * 1024), ends: [1024 * 1024] };
  };
  for (let i = 0; i < 100; i++) batch.encoded(`${i}`, encode);
  for (let i = 0; i < 100; i++) batch.encoded(`${i}`, encode);
  assert.equal(made, 100 + 92);
});
