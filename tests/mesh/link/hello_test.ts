import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeHello,
  HELLO,
  type Hello,
  helloDifference,
  MESH_VERSION,
  parseHello,
} from "../../../lib/mesh/link/hello.ts";

const MINE: Hello = {
  version: MESH_VERSION,
  job: "sort",
  node: 1,
  to: 0,
  nodes: 3,
  format: { recordBytes: 100, keyStart: 0, keyEnd: 10 },
  partition: "sample",
};
const THEIRS: Hello = { ...MINE, node: 0, to: 1 };

Deno.test("parseHello() reads what encodeHello() writes, and nothing else", () => {
  const line = new TextDecoder().decode(encodeHello(HELLO.PEER, THEIRS));
  assert.ok(line.startsWith("PEER {") && line.endsWith("}\n"));
  assert.deepEqual(parseHello(line.slice(HELLO.PEER.length)), THEIRS);
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    assert.equal(parseHello(text), undefined);
  }));
  for (const name of Object.keys(THEIRS)) {
    for (const value of [undefined, null, -1, 1.5, {}, 1e9]) {
      const text = JSON.stringify({ ...THEIRS, [name]: value });
      assert.equal(parseHello(text), undefined, text);
    }
  }
});

Deno.test("helloDifference() says what two nodes do not agree on", () => {
  assert.equal(helloDifference(MINE, THEIRS), undefined);
  const cases: [Partial<Hello>, RegExp][] = [
    [{ version: MESH_VERSION + 1 }, /its version is \d+, mine is \d+$/],
    [{ job: "x" }, /its job is "x", mine is "sort"/],
    [{ nodes: 4 }, /it counts 4 nodes, I count 3/],
    [{ to: 2 }, /it takes me for node 2, I am node 1/],
    [{ node: 1 }, /it says that it is node 1/],
    [{ node: 3 }, /it says that it is node 3/],
    [{ format: { ...MINE.format, keyEnd: 9 } }, /key 0:9, mine is records of 100 bytes, key 0:10/],
    [
      { format: { recordBytes: 0, keyStart: 0, keyEnd: 10 } },
      /its format is lines of up to 1048576 bytes, key 0:10/,
    ],
    [
      { format: { recordBytes: 0, keyStart: 0, keyEnd: 9, order: ["-t,", "-k2,2n"] } },
      /its format is lines of up to 1048576 bytes, order -t, -k2,2n, mine is records of/,
    ],
    [{ partition: "bits" }, /its partition is "bits", mine is "sample"/],
  ];
  for (const [change, message] of cases) {
    assert.match(helloDifference(MINE, { ...THEIRS, ...change }) ?? "", message);
  }
});
