import assert from "node:assert/strict";
import fc from "fast-check";
// @ts-types="@types/ws"
import * as ws from "ws";
import { Decoder, type DecoderOptions } from "../../../lib/net/websocket/decoder.ts";

const LINES: DecoderOptions = { form: "lines", maxMessageBytes: 1000 };
const BYTES: DecoderOptions = { form: "bytes", maxMessageBytes: 1000 };

interface FrameOptions {
  fin?: boolean;
  mask?: boolean;
  rsv1?: boolean;
}

// @types/ws leaves it out.
const { Sender } = ws as unknown as {
  Sender: {
    frame(data: Uint8Array, options: FrameOptions & { opcode: number; readOnly: true }): Buffer[];
  };
};

/** A masked frame, made by npm:ws. */
function frame(
  opcode: number,
  payload: string | Uint8Array,
  options: FrameOptions = {},
): Uint8Array {
  const defaults = { fin: true, mask: true, rsv1: false, readOnly: true as const };
  return concat(...Sender.frame(Buffer.from(payload), { opcode, ...defaults, ...options }));
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** What a decoder makes of chunks of bytes. */
function decode(options: DecoderOptions, ...chunks: Uint8Array[]) {
  const decoder = new Decoder(options);
  const out: number[] = [];
  const pings: string[] = [];
  const into = new Uint8Array(7);
  for (const chunk of chunks) {
    decoder.push(chunk.slice());
    for (let count; (count = decoder.take(into)) > 0;) out.push(...into.subarray(0, count));
    const ping = decoder.takePing();
    if (ping !== undefined) pings.push(new TextDecoder().decode(ping));
  }
  const { ending, messages, begun } = decoder;
  return { out: new TextDecoder().decode(Uint8Array.from(out)), pings, ending, messages, begun };
}

Deno.test("Decoder: makes a line of each message, text or binary", () => {
  const input = concat(
    frame(1, "hello"),
    frame(2, "wörld"),
    frame(1, "ends with a newline\n"),
    frame(1, ""),
    frame(1, "two\nlines"),
    frame(1, "\n"),
    frame(1, "carriage return\r"),
  );
  const { out, ending, messages, begun } = decode(LINES, input);
  assert.equal(
    out,
    "hello\nwörld\nends with a newline\n\ntwo\nlines\n\ncarriage return\r\n",
  );
  assert.equal(ending, undefined);
  assert.equal(messages, 7);
  assert.equal(begun, 0);
});

Deno.test("Decoder: joins fragments, with control frames between them", () => {
  const fragments = [
    frame(1, "frag", { fin: false }),
    frame(9, "ping"),
    frame(0, "", { fin: false }),
    frame(10, "unasked"),
    frame(0, "ments"),
    frame(8, Uint8Array.of(0x03, 0xe8, 0x62, 0x79, 0x65)),
  ];
  const { out, pings, ending } = decode(LINES, concat(...fragments));
  assert.equal(out, "fragments\n");
  assert.deepEqual(pings, ["ping"]);
  assert.deepEqual(ending, { code: 1000, reason: "bye" });
  assert.equal(decode(LINES, fragments[0]!).out, "");
  assert.equal(decode(BYTES, frame(2, "frag", { fin: false })).out, "frag");
});

Deno.test("Decoder: decodes the same wherever the bytes are cut", () => {
  const input = concat(
    frame(2, "one\r\ntwo"),
    frame(2, "x".repeat(126), { fin: false }),
    frame(9, "p"),
    frame(0, "y".repeat(5)),
    frame(8, ""),
    frame(2, "ignored"),
  );
  for (const options of [LINES, BYTES]) {
    const whole = decode(options, input);
    assert.deepEqual(whole.ending, { code: 1005, reason: "" });
    for (let cut = 0; cut <= input.length; cut++) {
      assert.deepEqual(decode(options, input.slice(0, cut), input.slice(cut)), whole);
    }
    assert.deepEqual(decode(options, ...[...input].map((byte) => Uint8Array.of(byte))), whole);
  }
});

Deno.test("Decoder: refuses what the protocol forbids, and keeps the messages before it", () => {
  const cases: [Uint8Array, number, RegExp][] = [
    [frame(1, "x", { rsv1: true }), 1002, /Reserved bits/],
    [frame(1, "x", { mask: false }), 1002, /not masked/],
    [frame(3, "x"), 1002, /opcode 3/],
    [frame(11, "x"), 1002, /opcode 11/],
    [frame(0, "x"), 1002, /no message to continue/],
    [concat(frame(1, "x", { fin: false }), frame(2, "y")), 1002, /before is not complete/],
    [frame(9, "x", { fin: false }), 1002, /fragmented/],
    [frame(9, "x".repeat(126)), 1002, /control frame is too long/],
    [frame(8, "x"), 1002, /no valid code/],
    [frame(8, Uint8Array.of(3, 236)), 1002, /no valid code/],
    [frame(8, Uint8Array.of(3, 237)), 1002, /no valid code/],
    [frame(8, Uint8Array.of(0, 1)), 1002, /no valid code/],
    [frame(8, Uint8Array.of(0x13, 0x88)), 1002, /no valid code/],
    [frame(8, Uint8Array.of(3, 232, 0xff)), 1007, /not valid UTF-8/],
    [frame(1, Uint8Array.of(0xff)), 1007, /not valid UTF-8/],
    [concat(frame(1, "x", { fin: false }), frame(0, Uint8Array.of(0xc3))), 1007, /not valid UTF-8/],
    [frame(1, "x".repeat(1001)), 1009, /may have 1000 bytes/],
    [frame(2, "x".repeat(1001)), 1009, /may have 1000 bytes/],
    [
      concat(frame(1, "x".repeat(1000), { fin: false }), frame(0, "x", { fin: false })),
      1009,
      /may have 1000 bytes/,
    ],
    // It announces 2^63 bytes.
    [Uint8Array.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4), 1009, /may have 1000/],
  ];
  for (const [bytes, code, reason] of cases) {
    const { out, ending } = decode(LINES, concat(frame(1, "before"), bytes, frame(1, "after")));
    assert.equal(ending?.code, code, String(reason));
    assert.match(ending!.reason, reason);
    assert.equal(out, "before\n");
  }
  assert.equal(decode(LINES, frame(1, "x".repeat(1000))).out.length, 1001);
  assert.equal(decode(BYTES, frame(1, "text")).ending?.code, 1003);
  for (const code of [1000, 1003, 1014, 3000, 4999]) {
    const payload = Uint8Array.of(code >> 8, code & 255);
    assert.equal(decode(LINES, frame(8, payload)).ending?.code, code);
  }
});

Deno.test("Decoder: keeps the beginning of a message while it makes room for the rest", () => {
  const first = "a".repeat(600);
  const second = "b".repeat(900);
  const input = concat(frame(1, first), frame(1, second));
  const cut = frame(1, first).length + 200;
  const { out } = decode(LINES, input.slice(0, cut), input.slice(cut, -1));
  assert.equal(out, `${first}\n`);
  assert.equal(decode(LINES, input.slice(0, cut), input.slice(cut)).out, `${first}\n${second}\n`);
});

Deno.test("Decoder: tells one unfinished message from the next", () => {
  const decoder = new Decoder(LINES);
  assert.equal(decoder.begun, 0);
  const bytes = frame(1, "abc", { fin: false });
  decoder.push(bytes.slice(0, 1));
  const first = decoder.begun;
  assert.notEqual(first, 0);
  decoder.push(bytes.slice(1));
  decoder.push(frame(9, ""));
  assert.equal(decoder.begun, first);
  decoder.push(frame(0, ""));
  assert.equal(decoder.begun, 0);
  decoder.push(frame(1, "next").slice(0, 8));
  assert.notEqual(decoder.begun, 0);
  assert.notEqual(decoder.begun, first);
});

Deno.test("Decoder: any messages in any fragments and cuts come out as they went in", () => {
  const message = fc.record({
    fragments: fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
    ping: fc.boolean(),
  });
  const cuts = fc.array(fc.nat(3000), { maxLength: 8 });
  fc.assert(fc.property(fc.array(message, { maxLength: 5 }), cuts, (messages, cuts) => {
    const frames = messages.flatMap(({ fragments, ping }) =>
      fragments.flatMap((fragment, i) => [
        frame(i === 0 ? 2 : 0, fragment, { fin: i === fragments.length - 1 }),
        ...(ping ? [frame(9, "?")] : []),
      ])
    );
    const input = concat(...frames);
    const at = [0, ...cuts.map((cut) => Math.min(cut, input.length)), input.length].sort((a, b) =>
      a - b
    );
    const chunks = at.slice(1).map((end, i) => input.slice(at[i], end));
    const sent = concat(...messages.flatMap(({ fragments }) => fragments));
    const { out, ending } = decode({ ...BYTES, maxMessageBytes: 2000 }, ...chunks);
    assert.equal(out, new TextDecoder().decode(sent));
    assert.equal(ending, undefined);
  }));
});

Deno.test("Decoder: random bytes end in an error or in nothing, and use no more memory than they have", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
    const { out } = decode(LINES, ...chunks);
    assert.ok(out.length <= chunks.reduce((sum, { length }) => sum + length, 0));
  }));
});
