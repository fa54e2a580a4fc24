import assert from "node:assert/strict";
import {
  ConnectError,
  DEFAULT_CONNECT_OPTIONS,
  parseConnect,
} from "../../../lib/echo/nats/connect_options.ts";

function parse(json: string, current = DEFAULT_CONNECT_OPTIONS) {
  return parseConnect(new TextEncoder().encode(json), current);
}

Deno.test("parseConnect() takes options, whatever the case of their keys", () => {
  const options = parse('{"Verbose":false,"pedantic":false,"HEADERS":true,"no_responders":true}');
  const { verbose, pedantic, echo, headers, no_responders } = options;
  assert.deepEqual(
    { verbose, pedantic, echo, headers, no_responders },
    { verbose: false, pedantic: false, echo: true, headers: true, no_responders: true },
  );
});

Deno.test("parseConnect() keeps what a CONNECT does not mention", () => {
  const first = parse('{"verbose":false,"pass":"secret","protocol":1}');
  assert.equal(parse('{"echo":false,"verbose":null}', first).verbose, false);
  assert.equal(parse("{}", first).pass, "secret");
  assert.deepEqual(parse("null", first), first);
});

Deno.test("parseConnect() ignores unknown keys", () => {
  const json = '{"jwt":5,"toString":1,"__proto__":{"verbose":false},"constructor":{"a":1}}';
  assert.deepEqual(parse(json), { ...DEFAULT_CONNECT_OPTIONS });
});

for (
  const [json, text] of [
    ["", "Parser Error"],
    ["{verbose}", "Parser Error"],
    ["[]", "Parser Error"],
    ["5", "Parser Error"],
    ['"x"', "Parser Error"],
    ['{"verbose":false} x', "Parser Error"],
    ['{"verbose":"x"}', "Parser Error"],
    ['{"name":5}', "Parser Error"],
    ['{"pass":{}}', "Parser Error"],
    ['{"protocol":"1"}', "Parser Error"],
    ['{"protocol":2}', "invalid client protocol"],
    ['{"protocol":-1}', "invalid client protocol"],
    ['{"protocol":0.5}', "invalid client protocol"],
    ['{"no_responders":true}', "no responders requires headers support"],
  ]
) {
  Deno.test(`parseConnect() refuses ${json || "nothing"}`, () => {
    assert.throws(() => parse(json!), { name: "ConnectError", message: text });
  });
}

Deno.test("parseConnect() refuses what is not UTF-8", () => {
  const bytes = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  assert.throws(() => parseConnect(bytes, DEFAULT_CONNECT_OPTIONS), ConnectError);
});
