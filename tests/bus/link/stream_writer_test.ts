import type { Msg, NatsConnection } from "@nats-io/transport-node";
import assert from "node:assert/strict";
import { BusUnavailableError } from "../../../lib/bus/errors.ts";
import { StreamWriter } from "../../../lib/bus/link/stream_writer.ts";
import { until } from "../../support/within.ts";
import { lines } from "../support.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A server whose stream acknowledges as the test decides. */
function fakeStream(timeoutMs: number) {
  const sent: { subject: string; text: string; reply: string }[] = [];
  let deliver: (error: null, message: Msg) => void;
  let lost = 0;
  const nats = {
    subscribe: (_: string, options: { callback: typeof deliver }) => deliver = options.callback,
    publish: (subject: string, payload: Uint8Array, { reply }: { reply: string }) => {
      sent.push({ subject, text: decoder.decode(payload), reply });
    },
  } as unknown as NatsConnection;
  const writer = new StreamWriter(nats, { timeoutMs, lost: () => lost++ });
  const answer = (index: number, text = '{"seq":1}', code = 0) => {
    const message = { subject: sent[index]!.reply, data: encoder.encode(text), headers: { code } };
    deliver(null, message as unknown as Msg);
  };
  return { writer, sent, answer, lost: () => lost };
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

Deno.test("StreamWriter: sends in order, with at most 500 messages on their way", async () => {
  const { writer, sent, answer } = fakeStream(60_000);
  const first = writer.publish(lines("a", numbers(700)), undefined);
  const second = writer.publish(lines("b", ["last"]), undefined);
  let stored = 0;
  first.then(() => stored++);
  assert.equal(sent.length, 500);
  for (let i = 0; i < 200; i++) answer(i);
  assert.equal(sent.length, 700);
  answer(200);
  assert.deepEqual(sent.map(({ text }) => text), [...numbers(700), "last"]);
  assert.equal(sent[700]!.subject, "quartet.bus.b");
  for (let i = 201; i < 699; i++) answer(i);
  await Promise.resolve();
  assert.equal(stored, 0, "one acknowledgement is missing");
  answer(699);
  answer(699);
  answer(700);
  await Promise.all([first, second]);
  writer.close(new BusUnavailableError("closed"));
});

Deno.test("StreamWriter: what is not sent when its time is up is not sent later", async () => {
  const { writer, sent, answer } = fakeStream(30);
  const failing = writer.publish(lines("a", numbers(800)), undefined);
  await assert.rejects(failing, /does not answer/);
  assert.equal(sent.length, 500);
  // A later batch can go, and late acknowledgements change nothing.
  const later = writer.publish(lines("c", ["x"]), undefined);
  assert.deepEqual(sent.slice(500).map(({ text }) => text), ["x"]);
  answer(0);
  answer(500);
  await later;
  writer.close(new BusUnavailableError("closed"));
});

Deno.test("StreamWriter: refusals, a missing stream and a lost connection fail the batch", async () => {
  const { writer, answer, lost } = fakeStream(60_000);
  const publish = () => writer.publish(lines("a", ["1", "2"]), undefined);
  const refused = publish();
  answer(0, '{"error":{"description":"too large"}}');
  answer(1);
  await assert.rejects(refused, /BusUnavailableError: .*too large/);
  const garbled = publish();
  answer(3, "?");
  await assert.rejects(garbled, /no acknowledgement/);
  const nobody = publish();
  answer(4, "", 503);
  await assert.rejects(nobody, /no stream/);
  assert.equal(lost(), 1);
  const cut = publish();
  writer.close(new BusUnavailableError("gone"));
  await assert.rejects(cut, /gone/);
  await assert.rejects(publish(), /gone/);
});

Deno.test("StreamWriter: the time limit of a batch starts with that batch", async () => {
  const { writer, answer } = fakeStream(100);
  const start = performance.now();
  const first = writer.publish(lines("a", ["1"]), undefined);
  let failed = false;
  first.catch(() => failed = true);
  await until("half of the time is over", () => performance.now() - start >= 50);
  const second = writer.publish(lines("a", ["2"]), undefined);
  await until("the first fails", () => failed);
  answer(1);
  await second;
  writer.close(new BusUnavailableError("closed"));
});
