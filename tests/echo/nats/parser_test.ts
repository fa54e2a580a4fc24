import assert from "node:assert/strict";
import fc from "fast-check";
import { NatsParser } from "../../../lib/echo/nats/parser.ts";

const MAX_PAYLOAD_BYTES = 100;
const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** An input that grows as a connection's buffer does. */
class GrowingInput {
  bytes = new Uint8Array(0);
  start = 0;

  get end(): number {
    return this.bytes.length;
  }

  add(bytes: Uint8Array): void {
    // A new array each time, so that nothing that the parser keeps can point into the old one.
    const grown = new Uint8Array(this.end - this.start + bytes.length);
    grown.set(this.bytes.subarray(this.start));
    grown.set(bytes, this.end - this.start);
    this.bytes.fill(0);
    this.bytes = grown;
    this.start = 0;
  }

  consume(count: number): void {
    this.start += count;
  }
}

/** Describes an operation in one string; a publication as one string for each of its messages. */
function describe(operation: ReturnType<NatsParser["next"]>): string[] {
  assert.ok(operation !== null);
  switch (operation.kind) {
    case "publish": {
      const { bytes, starts, ends, subject, reply, hasHeaders, headerBytes } = operation;
      return Array.from({ length: operation.count }, (_, i) => {
        const payload = JSON.stringify(latin1.decode(bytes.subarray(starts[i], ends[i])));
        const name = hasHeaders ? `hpub ${headerBytes}` : "pub";
        return [name, subject, reply, payload].filter((part) => part !== undefined).join(" ");
      });
    }
    case "subscribe":
      return [["sub", operation.pattern, operation.group, operation.sid].join(" ")];
    case "unsubscribe":
      return [`unsub ${operation.sid} ${operation.max}`];
    case "connect":
      return [`connect ${latin1.decode(operation.json)}`];
    case "mistake":
      return [`mistake: ${operation.text}`];
    default:
      return [operation.kind];
  }
}

/** Parses chunks as they would arrive, up to the first mistake. */
function parse(chunks: readonly Uint8Array[], { joins = true } = {}): string[] {
  const parser = new NatsParser({ maxPayloadBytes: MAX_PAYLOAD_BYTES });
  parser.joinsMessages = joins;
  const input = new GrowingInput();
  const parsed: string[] = [];
  for (const chunk of chunks) {
    input.add(chunk);
    for (let one = parser.next(input); one !== null; one = parser.next(input)) {
      parsed.push(...describe(one));
      if (one.kind === "mistake") return parsed;
    }
    assert.ok(input.end - input.start <= parser.maxInputBytes, "the input is bounded");
  }
  return parsed;
}

function parseText(text: string, options?: { joins: boolean }): string[] {
  return parse([encoder.encode(text)], options);
}

const long = (count: number) => "a".repeat(count);

/** Inputs with what they mean; what follows a mistake is not read. */
const CASES: readonly (readonly [name: string, input: string, ...parsed: string[]])[] = [
  ["a message", "PUB a.b 2\r\nhi\r\n", 'pub a.b "hi"'],
  ["a message with a reply subject", "PUB a r.1 2\r\nhi\r\n", 'pub a r.1 "hi"'],
  ["an empty message", "PUB a 0\r\n\r\n", 'pub a ""'],
  ["line ends in a message", "PUB a 4\r\n\r\n\r\n\r\n", 'pub a "\\r\\n\\r\\n"'],
  ["messages on one subject", "PUB a 1\r\nx\r\npub a 02\r\nyz\r\n", 'pub a "x"', 'pub a "yz"'],
  ["messages on two subjects", "PUB a 1\r\nx\r\nPUB b 1\r\ny\r\n", 'pub a "x"', 'pub b "y"'],
  [
    "a reply subject among messages without",
    "PUB a 1\r\nx\r\nPUB a r 1\r\ny\r\nPUB a 1\r\nz\r\n",
    'pub a "x"',
    'pub a r "y"',
    'pub a "z"',
  ],
  ["headers", "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", 'hpub 12 a "NATS/1.0\\r\\n\\r\\nhi"'],
  [
    "headers and a reply subject",
    "HPUB a r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    'hpub 12 a r "NATS/1.0\\r\\n\\r\\n"',
  ],
  ["headers of no bytes", "HPUB a 0 2\r\nhi\r\n", 'hpub 0 a "hi"'],
  ["subscriptions", "SUB a.* 1\r\nSUB > group x-y\r\n", "sub a.*  1", "sub > group x-y"],
  ["the end of a subscription", "UNSUB 1\r\nUNSUB 1 5\r\n", "unsub 1 0", "unsub 1 5"],
  ["a maximum that is none", "UNSUB 1 x\r\nUNSUB 1 -1\r\n", "unsub 1 0", "unsub 1 0"],
  ["CONNECT", 'CONNECT {"a":1}\r\nCONNECT{}\n', 'connect {"a":1}', "connect {}"],
  ["pings", "PING\r\nPONG\r\nping\nPINGs\r\n", "ping", "pong", "ping", "ping"],
  ["words of servers", "+OK\r\nINFO {}\r\n+ok\r\n", "ignored", "ignored", "ignored"],
  ["any case", "pUb a 1\r\nx\r\nsUB a 1\r\nunSUB 1\r\n", 'pub a "x"', "sub a  1", "unsub 1 0"],
  ["blanks and tabs", "PUB \t a\t\tr  1 \t\r\nx\r\nSUB\ta\t1\r\n", 'pub a r "x"', "sub a  1"],
  ["lines that end with a newline alone", "PUB a 1\nx\r\nSUB a 1\n", 'pub a "x"', "sub a  1"],
  ["UTF-8", "PUB é 1\r\nx\r\nSUB é é\r\n", 'pub é "x"', "sub é  Ã©"],
  ["a size with too many digits", "PUB a 0000000001\r\n", "mistake: Parser Error"],
  ["a size that is none", "PUB a x\r\n", "mistake: Parser Error"],
  ["a negative size", "PUB a -1\r\n", "mistake: Parser Error"],
  ["a message without a size", "PUB a\r\n", "mistake: Parser Error"],
  ["too many arguments", "PUB a b c 1\r\n", "mistake: Parser Error"],
  ["headers without a size", "HPUB a 2\r\n", "mistake: Parser Error"],
  ["headers longer than the message", "HPUB a 3 2\r\n", "mistake: Parser Error"],
  ["a subscription without a name", "SUB a\r\n", "mistake: Parser Error"],
  ["a subscription of blanks", "SUB  \r\n", "mistake: Parser Error"],
  ["too many arguments of SUB", "SUB a b c d\r\n", "mistake: Parser Error"],
  ["too many arguments of UNSUB", "UNSUB a b c\r\n", "mistake: Parser Error"],
  ["the error of a client", "-ERR 'x'\r\n", "mistake: Parser Error"],
  ["a message at the limit", `PUB a 100\r\n${long(100)}\r\n`, `pub a "${long(100)}"`],
  ["a message beyond the limit", "PUB a 101\r\n", "mistake: Maximum Payload Violation"],
  ["a message far beyond", "PUB a 999999999\r\n", "mistake: Maximum Payload Violation"],
  ["a message longer than its size", "PUB a 2\r\nhix", "mistake: Unknown Protocol Operation"],
  ["no carriage return", "PUB a 2\r\nhi\n", "mistake: Unknown Protocol Operation"],
  ["no newline", "PUB a 2\r\nhi\rx", "mistake: Unknown Protocol Operation"],
  [
    "a message, then a mistake",
    "PUB a 1\r\nx\r\nPUB a 1\r\nxx",
    'pub a "x"',
    "mistake: Unknown Protocol Operation",
  ],
  ["no such operation", "GET", "mistake: Unknown Protocol Operation"],
  ["an operation cut short", "PIG", "mistake: Unknown Protocol Operation"],
  ["an empty line", "\r\n", "mistake: Unknown Protocol Operation"],
  ["a blank first", " PING\r\n", "mistake: Unknown Protocol Operation"],
  ["no blank after the name", "PUBa 1\r\n", "mistake: Unknown Protocol Operation"],
  ["no arguments", "SUB\r\n", "mistake: Unknown Protocol Operation"],
  ["a control byte for a sign", "\x0bOK\r\n", "mistake: Unknown Protocol Operation"],
  ["a control byte for a letter", "P\x15B a 1\r\n", "mistake: Unknown Protocol Operation"],
  ["a line at the limit", `SUB ${long(4094)} 1\r\n`, `sub ${long(4094)}  1`],
  ["a line beyond it", `SUB ${long(4097)} 1\r\n`, "mistake: maximum control line exceeded"],
  ["a line that does not end", `SUB ${long(4099)}`, "mistake: maximum control line exceeded"],
  ["such a message", `PUB ${long(4099)}`, "mistake: maximum control line exceeded"],
  ["such a ping", `PING${long(4099)}`, "mistake: maximum control line exceeded"],
  ["such a CONNECT", `CONNECT ${long(4099)}`, "mistake: maximum control line exceeded"],
  ...["PUB", "HPUB", "SUB", "UNSUB", "PING", "CONNECT"].map((
    name,
  ): [string, string, string] => [
    `${name} and blanks that do not end`,
    `${name} ${" ".repeat(4099)}`,
    "mistake: maximum control line exceeded",
  ]),
];

for (const [name, input, ...parsed] of CASES) {
  Deno.test(`the parser of NATS operations reads ${name}`, () => {
    assert.deepEqual(parseText(input), parsed);
    assert.deepEqual(parseText(input, { joins: false }), parsed);
  });
}

Deno.test("the parser gives the same operations wherever the input is cut", () => {
  for (const [, input, ...parsed] of CASES) {
    const bytes = encoder.encode(input);
    for (let cut = 1; cut < Math.min(bytes.length, 200); cut++) {
      assert.deepEqual(parse([bytes.subarray(0, cut), bytes.subarray(cut)]), parsed, input);
    }
    if (bytes.length < 200) assert.deepEqual(parse(singly(bytes)), parsed, input);
  }
});

Deno.test("a mistake in the name of an operation shows with its first wrong byte", () => {
  for (const input of ["x", "PX", "PUBx", "HPING", "UNSUBS", "CONNEXT", "+KO", "-OK"]) {
    const parsed = parse(singly(encoder.encode(input)));
    assert.deepEqual(parsed, ["mistake: Unknown Protocol Operation"], input);
  }
});

Deno.test("messages on one subject become one publication", () => {
  const parser = new NatsParser({ maxPayloadBytes: MAX_PAYLOAD_BYTES });
  const input = new GrowingInput();
  const texts = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
  const operations = texts.map((text) => `PUB a ${text.length}\r\n${text}\r\n`);
  input.add(encoder.encode(`${operations.join("")}PUB a 1\r\n`));
  const publication = parser.next(input);
  assert.ok(publication?.kind === "publish");
  assert.deepEqual(describe(publication), texts.map((text) => `pub a "${text}"`));
  assert.equal(parser.next(input), null);
});

const token = fc.stringMatching(/^[a-z*>$_.-]{1,10}$/);
const payload = fc.string({
  maxLength: MAX_PAYLOAD_BYTES,
  unit: fc.constantFrom(..."ab\r\n \t\0"),
});
const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom("a", "b.c"), payload).map((
      [subject, text],
    ) => [
      `PUB ${subject} ${text.length}\r\n${text}\r\n`,
      `pub ${subject} ${JSON.stringify(text)}`,
    ]),
  },
  fc.tuple(token, token, payload).map(([subject, reply, text]) => [
    `PUB ${subject} ${reply} ${text.length}\r\n${text}\r\n`,
    `pub ${subject} ${reply} ${JSON.stringify(text)}`,
  ]),
  fc.tuple(token, payload, fc.nat()).map(([subject, text, seed]) => {
    const headerBytes = seed % (text.length + 1);
    return [
      `HPUB ${subject} ${headerBytes} ${text.length}\r\n${text}\r\n`,
      `hpub ${headerBytes} ${subject} ${JSON.stringify(text)}`,
    ];
  }),
  fc.tuple(token, token).map(([a, b]) => [`SUB ${a} ${b}\r\n`, `sub ${a}  ${b}`]),
  fc.tuple(token, token, token).map((
    [a, b, c],
  ) => [`SUB ${a} ${b} ${c}\r\n`, `sub ${a} ${b} ${c}`]),
  fc.tuple(token, fc.nat(999)).map(([a, n]) => [`UNSUB ${a} ${n}\r\n`, `unsub ${a} ${n}`]),
  fc.constant(["PING\r\n", "ping"]),
);

Deno.test("the parser reads any operations in any chunks", () => {
  fc.assert(fc.property(
    fc.array(operation, { maxLength: 20 }),
    fc.array(fc.nat(60), { minLength: 1, maxLength: 20 }),
    (operations, sizes) => {
      const bytes = encoder.encode(operations.map(([input]) => input).join(""));
      const wanted = operations.map(([, parsed]) => parsed);
      assert.deepEqual(parse(chunksOf(bytes, sizes)), wanted);
      assert.deepEqual(parse(chunksOf(bytes, sizes), { joins: false }), wanted);
    },
  ));
});

Deno.test("random bytes give operations or a mistake, the same in any chunks", () => {
  const noise = fc.array(
    fc.oneof(
      fc.constantFrom("PUB ", "HPUB ", "SUB ", "UNSUB ", "PING", "CONNECT ", "\r\n", " ", "1", "a"),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => latin1.decode(bytes)),
    ),
    { maxLength: 30 },
  ).map((parts) => Uint8Array.from(parts.join(""), (character) => character.charCodeAt(0)));
  fc.assert(fc.property(
    noise,
    fc.array(fc.nat(10), { minLength: 1, maxLength: 20 }),
    (bytes, sizes) => assert.deepEqual(parse(chunksOf(bytes, sizes)), parse([bytes])),
  ));
});

/** Cuts bytes into chunks of these sizes, over and over. */
function chunksOf(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]! + 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function singly(bytes: Uint8Array): Uint8Array[] {
  return chunksOf(bytes, [0]);
}
