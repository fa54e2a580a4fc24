import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import fc from "fast-check";
import { JSON_KIND, JsonValue } from "../../../lib/mesh/keys/json_value.ts";
import { KeyEncoder } from "../../../lib/mesh/keys/key_encoder.ts";
import { parseSortOrder } from "../../../lib/mesh/keys/sort_order.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function find(line: string, ...path: string[]): [number, string] {
  const value = new JsonValue(path);
  const bytes = encode(line);
  value.find(bytes, 0, bytes.length);
  return [value.kind, new TextDecoder().decode(value.bytes.subarray(value.from, value.to))];
}

Deno.test("JsonValue finds values of all kinds, wherever they are", () => {
  const { NOTHING, FALSE, TRUE, NUMBER, STRING, STRUCTURE } = JSON_KIND;
  const line = ' {"x":{"k":9,"}":"{"}, "k" : "a\\"\\u00e9", "n":-1.5e3,"t":true,"f":false,' +
    '"z":null,"l":[1,{"k":2}],"\\u006b2":7,"e":""} ';
  const cases: [string[], number, string][] = [
    [["k"], STRING, 'a"é'],
    [["n"], NUMBER, "-1.5e3"],
    [["t"], TRUE, "true"],
    [["f"], FALSE, "false"],
    [["z"], NOTHING, ""],
    [["l"], STRUCTURE, '[1,{"k":2}]'],
    [["x"], STRUCTURE, '{"k":9,"}":"{"}'],
    [["x", "k"], NUMBER, "9"],
    [["x", "}"], STRING, "{"],
    [["k", "k"], NOTHING, ""],
    [["k2"], NUMBER, "7"],
    [["e"], STRING, ""],
    [["missing"], NOTHING, ""],
  ];
  for (const [path, kind, text] of cases) assert.deepEqual(find(line, ...path), [kind, text]);
});

Deno.test("JsonValue finds what JSON.parse finds", () => {
  const objects = fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }), {
    maxKeys: 6,
    noNullPrototype: true,
  });
  fc.assert(fc.property(objects, fc.nat(), (object, chosen) => {
    const names = Object.keys(object);
    if (names.length === 0) return;
    const name = names[chosen % names.length]!;
    const value = object[name];
    const [kind, text] = find(JSON.stringify(object), name);
    if (typeof value === "string") assert.deepEqual([kind, text], [JSON_KIND.STRING, value]);
    else if (value === null) assert.equal(kind, JSON_KIND.NOTHING);
    else assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
  }));
});

Deno.test("JsonValue finds nothing in anything but an object, and ends at every cut", () => {
  for (const line of ["", "[1]", '"k"', "text", "{}", '{"k"', '{"k":', "{k:1}", "{,}", "null"]) {
    assert.equal(find(line, "k")[0], JSON_KIND.NOTHING, line);
  }
  const line = '{"a":{"b":[1,"x\\"y"]},"k":"v\\u00e9"}';
  for (let cut = 0; cut <= line.length; cut++) find(line.slice(0, cut), "k");
});

Deno.test("a key of JSON sorts by kind, numbers by value, strings by their characters", () => {
  const sorted = [
    "no JSON",
    '{"k":null}',
    '{"k":false}',
    '{"k":true}',
    '{"k":-20}',
    '{"k":1e1}',
    '{"k":100000000000000000001}',
    '{"k":100000000000000000002}',
    '{"k":""}',
    '{"k":"10"}',
    '{"k":"9"}',
    '{"k":"\\u00e9"}',
    '{"k":[1]}',
  ];
  const encoder = new KeyEncoder(parseSortOrder(["--json-key=k"]));
  const keyOf = (line: string) => {
    const bytes = encode(line);
    encoder.encode(bytes, 0, bytes.length, Infinity);
    return encoder.bytes.slice(0, encoder.length);
  };
  const found = sorted.toReversed().sort((a, b) => Buffer.compare(keyOf(a), keyOf(b)));
  assert.deepEqual(found, sorted);
});
