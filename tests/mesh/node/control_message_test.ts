import assert from "node:assert/strict";
import fc from "fast-check";
import { parseControlMessage } from "../../../lib/mesh/node/control_message.ts";

const FORMAT = { recordBytes: 0, keyStart: 0, keyEnd: 65_534 };
const PROGRESS = {
  ...{ node: 1, phase: "connect", doneBytes: 0, totalBytes: 1 },
  ...{ records: 0, sentBytes: 0, receivedBytes: 0 },
};
const NAMES = { input: "in", output: "out", format: FORMAT };
const JOB = { id: 1, ...NAMES, state: "running", result: "", submittedMs: 5, progress: [PROGRESS] };

const MESSAGES = [
  { kind: "start", order: { key: "k", id: 1, ...NAMES } },
  { kind: "stop", key: "k", reason: "Cancelled" },
  { kind: "status", status: { jobs: [JOB, { ...JOB, startedMs: 6, endedMs: 7 }], up: [0, 1] } },
  { kind: "reply", request: 1, reply: "OK job 1" },
  { kind: "submit", request: 1, ...NAMES },
  { kind: "cancel", request: 1 },
  { kind: "cancel", request: 1, job: 2 },
  { kind: "retry", request: 1, job: 2 },
  { kind: "decision", key: "k", committed: true },
  { kind: "ask", key: "k" },
  { kind: "finished", key: "k" },
  { kind: "progress", key: "k", progress: PROGRESS },
  { kind: "ended", key: "k", records: 7 },
  { kind: "ended", key: "k", records: 0, failure: "node 1: it is full" },
  { kind: "ping" },
];

Deno.test("parseControlMessage() reads every kind of message, and ignores unknown fields", () => {
  for (const message of MESSAGES) {
    assert.deepEqual(parseControlMessage(JSON.stringify(message)), message);
    assert.deepEqual(parseControlMessage(JSON.stringify({ ...message, more: 1 })), message);
  }
});

Deno.test("parseControlMessage() refuses everything else, such as a field of another type", () => {
  const bent = fc.constantFrom(...MESSAGES).chain((message) => (
    fc.record({
      message: fc.constant(message),
      field: fc.constantFrom(...Object.keys(message)),
      value: fc.oneof(fc.constantFrom(null, -1, 0.5, [], {}, [null]), fc.jsonValue()),
    })
  ));
  fc.assert(fc.property(fc.oneof(fc.json(), fc.string(), bent.map(bend)), (text) => {
    try {
      assert.ok(MESSAGES.some(({ kind }) => kind === parseControlMessage(text).kind));
    } catch (error) {
      assert.ok(error instanceof SyntaxError, String(error));
    }
  }));
});

function bend({ message, field, value }: { message: object; field: string; value: unknown }) {
  return JSON.stringify({ ...message, [field]: value });
}
