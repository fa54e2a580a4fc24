import assert from "node:assert/strict";
import { createLog } from "../../../lib/log.ts";
import { LINE_REPLIES } from "../../../lib/net/line_replies.ts";
import { Listener } from "../../../lib/net/listener.ts";
import { type Clock, SYSTEM_CLOCK } from "../../../lib/task/clock.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { PushServer } from "../../../lib/task/push/server.ts";
import { startGenerator } from "../../../lib/task/push/generator.ts";
import type { Outcome, QueueClient } from "../../../lib/task/queue.ts";
import { until, within } from "../../support/within.ts";
import { put, spec } from "../queue_suite.ts";
import { DEADLINE_MS, ManualClock, queueOptions, WireClient } from "../support.ts";

/** Starts a push server on a free port, with a producer for its tube and access to its log. */
async function startPushServer(
  options: Parameters<typeof queueOptions>[0] & { requestTimeoutMs?: number; clock?: Clock } = {},
) {
  const lines: string[] = [];
  const log = createLog("task", {
    level: "debug",
    format: "json",
    sink: (line) => lines.push(new TextDecoder().decode(line)),
  });
  const queue = new MemoryQueue(options.clock ?? SYSTEM_CLOCK, queueOptions(options));
  const server = new PushServer(queue, { tube: "square", maxLineBytes: 100, log });
  const listener = await Listener.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 }, {
    maxClients: 100,
    idleTimeoutMs: 0,
    requestTimeoutMs: options.requestTimeoutMs ?? 0,
    ...LINE_REPLIES,
    log,
    handle: (connection) => server.serve(connection),
  });
  const producer = queue.connect();
  producer.use("square");
  const workers: WireClient[] = [];
  assert(listener.address.transport === "tcp");
  const { port } = listener.address;
  return {
    queue,
    server,
    producer,
    logged: (text: string) => lines.filter((line) => line.includes(text)),
    worker: async () => {
      const before = server.workers;
      const worker = await WireClient.connect(port);
      workers.push(worker);
      await until("the worker is there", () => server.workers > before);
      return worker;
    },
    [Symbol.asyncDispose]: async () => {
      for (const worker of workers) worker.close();
      await listener.close();
      await queue.close();
    },
  };
}

async function resultOf(producer: QueueClient, id: number): Promise<string> {
  const outcome = await within(
    DEADLINE_MS,
    "the result",
    Promise.resolve(producer.wait(id, DEADLINE_MS)),
  );
  assert(outcome !== null && typeof outcome === "object");
  return `${outcome.state}: ${(outcome as Outcome).body}`;
}

Deno.test("push server: sends a task as a line and takes the next line as its result", async () => {
  await using open = await startPushServer();
  const worker = await open.worker();
  const first = await put(open.producer, spec("7"));
  const second = await put(open.producer, spec("8"));
  await worker.expect("7\n");
  await worker.send("49\r\n");
  assert.equal(await resultOf(open.producer, first), "done: 49");
  await worker.ask("", "8\n");
  await worker.send("64");
  await worker.endInput();
  assert.equal(await resultOf(open.producer, second), "done: 64");
  const { job, number } = open.server.answerSeconds;
  assert.deepEqual([job.count, number.count], [2, 0]);
  assert.ok(job.sum > 0 && job.sum < 2 * DEADLINE_MS / 1000);
});

Deno.test("push server: a worker has one task at a time, and a line it sends without one is no answer", async () => {
  await using open = await startPushServer();
  const worker = await open.worker();
  await worker.send("unasked\nand again\n");
  await until("it was read", () => open.logged("without a task").length === 2);
  const ids = [];
  for (const body of ["1", "2", "3"]) ids.push(await put(open.producer, spec(body)));
  await worker.expect("1\n");
  assert.equal((await open.producer.statsTube("square"))!.reserved, 1);
  await worker.ask("one\n", "2\n");
  assert.equal(await resultOf(open.producer, ids[0]!), "done: one");
});

Deno.test("push server: the task of a worker that disconnects goes to another", async () => {
  await using open = await startPushServer();
  const first = await open.worker();
  const id = await put(open.producer, spec("7"));
  await first.expect("7\n");
  const second = await open.worker();
  first.close();
  await second.ask("", "7\n");
  await second.send("49\n");
  assert.equal(await resultOf(open.producer, id), "done: 49");
});

Deno.test("push server: the task of a slow worker goes to another, and its late line is no answer to the next", async () => {
  const clock = new ManualClock();
  await using open = await startPushServer({ clock });
  const slow = await open.worker();
  const id = await put(open.producer, spec("7", { ttrMs: 1000 }));
  await slow.expect("7\n");
  const other = await open.worker();
  clock.advance(1000);
  await other.ask("", "7\n");
  await other.send("49\n");
  assert.equal(await resultOf(open.producer, id), "done: 49");
  const next = await put(open.producer, spec("8"));
  await other.ask("", "8\n");
  await slow.send("50\n");
  await until("it was read", () => open.logged("answered too late").length === 1);
  await other.send("64\n");
  assert.equal(await resultOf(open.producer, next), "done: 64");
});

Deno.test("push server: an answer that is too long is a failure, and a body of several lines is buried", async () => {
  await using open = await startPushServer();
  const worker = await open.worker();
  const id = await put(open.producer, spec("7"));
  await worker.expect("7\n");
  await worker.send("x".repeat(101) + "\n");
  await until("it is back", async () => (await open.producer.statsJob(id))!.state === "delayed");
  const lines = await put(open.producer, spec("a\nb"));
  assert.equal(await resultOf(open.producer, lines), "buried: the body is not a single line");
});

Deno.test("push server: a worker that does not finish its line is told so, and another gets the task", async () => {
  await using open = await startPushServer({ requestTimeoutMs: 200 });
  const waiting = await open.worker();
  const id = await put(open.producer, spec("7"));
  await waiting.expect("7\n");
  const other = await open.worker();
  await waiting.send("4");
  await waiting.expect("ERR request timeout\n");
  await waiting.expectEnd();
  await other.ask("", "7\n");
  await other.send("49\n");
  assert.equal(await resultOf(open.producer, id), "done: 49");
});

Deno.test("generator: sends every worker the same number and checks each answer", async () => {
  await using open = await startPushServer();
  const clock = new ManualClock();
  const stop = startGenerator(open.server, { everyMs: 5000, clock });
  const right = await open.worker(), wrong = await open.worker(), late = await open.worker();
  clock.advance(5000);
  const number = Math.floor(clock.now() / 1000) % 100;
  for (const worker of [right, wrong, late]) await worker.expect(`${number}\n`);
  await right.send(`${number * number}\n`);
  await wrong.send("forty-two\n");
  await until(
    "it is checked",
    () => open.server.answers.right === 1 && open.server.answers.wrong === 1,
  );
  clock.advance(5000);
  assert.equal(open.server.answers.late, 1);
  for (const worker of [right, wrong]) await worker.expect(`${number + 5}\n`);
  await late.send(`${number * number}\n`);
  await until("it is judged", () => open.server.answers.right === 2);
  clock.advance(5000);
  await late.expect(`${number + 10}\n`);
  stop();
  clock.advance(50_000);
  assert.equal(open.logged("Worker is late").length, 3);
  assert.equal(open.server.answerSeconds.number.count, 3);
  const [answer] = open.logged('Worker answered"');
  assert.match(answer!, new RegExp(`"number":${number},"result":"${number * number}","ms":\\d+`));
});

Deno.test("generator: a worker that is wrong or late again and again is a warning once", async () => {
  await using open = await startPushServer();
  const levels = (text: string) => open.logged(text).map((line) => JSON.parse(line).level);
  const { server } = open;
  for (const worker of ["a:1", "b:1", "a:1"]) {
    server.tellSquare(worker, { number: 7, answer: "48", tookMs: 1 });
    server.tellLate(worker, 8);
    server.tellSquare(worker, { number: 9, answer: "81", tookMs: 1 });
  }
  assert.deepEqual(levels("Worker answered wrong"), ["WARN", "WARN", "DEBUG"]);
  assert.deepEqual(levels("Worker is late"), ["WARN", "WARN", "DEBUG"]);
  assert.deepEqual(levels('Worker answered"'), ["DEBUG", "DEBUG", "DEBUG"]);
  assert.deepEqual(server.answers, { right: 3, wrong: 3, late: 3 });
});

Deno.test("generator: a busy worker gets the number after its task", async () => {
  await using open = await startPushServer();
  const worker = await open.worker();
  const id = await put(open.producer, spec("7"));
  await worker.expect("7\n");
  open.server.assign(3);
  assert.equal(open.server.answers.late, 0);
  await worker.send("49\n");
  assert.equal(await resultOf(open.producer, id), "done: 49");
  await worker.ask("", "3\n");
  await worker.send("9\n");
  await until("it is judged", () => open.server.answers.right === 1);
});
