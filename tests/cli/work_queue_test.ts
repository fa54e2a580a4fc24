import assert from "node:assert/strict";
import { serveJobs, truncated } from "../../lib/cli/work_queue.ts";
import { type JobOutcome, square, type WorkRunner } from "../../lib/cli/work_runner.ts";
import { valueText } from "../../lib/storage/value.ts";
import { taskRights } from "../../lib/task/rights.ts";
import { TestClient } from "../support/client.ts";
import { guardWithRights, LIMITED_TOKEN } from "../support/rights.ts";
import { until, within } from "../support/within.ts";
import { put, spec } from "../task/queue_suite.ts";
import { startServer } from "../task/support.ts";

/** A worker and the two signals that it obeys. */
async function startWorker(
  port: number,
  { runner = square as WorkRunner, stopTimeoutMs = 60_000, token, tubes = [] }: {
    runner?: WorkRunner;
    stopTimeoutMs?: number;
    token?: string;
    tubes?: string[];
  } = {},
) {
  const stopping = new AbortController();
  const ending = new AbortController();
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const over = serveJobs(conn, {
    address: { transport: "tcp", hostname: "127.0.0.1", port },
    tubes,
    runner,
    token,
    signals: { stopping: stopping.signal, ending: ending.signal },
    ready: () => {},
    stopTimeoutMs,
  });
  // It may fail before the test awaits it.
  over.catch(() => {});
  return { stopping, ending, over: () => within(60_000, "the end of the worker", over) };
}

/** A server whose replies the test writes; it has accepted a session that now waits for a job. */
async function startScripted(options: { stopTimeoutMs?: number; runner?: WorkRunner } = {}) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [conn, worker] = await Promise.all([
    listener.accept(),
    startWorker((listener.addr as Deno.NetAddr).port, options),
  ]);
  const server = TestClient.of(conn);
  assert.equal(await server.line(), "list-tube-used\r\n");
  await server.send("USING default\r\n");
  assert.match(await server.line(), /^reserve-with-timeout \d\r\n$/);
  return {
    server,
    worker,
    [Symbol.dispose]() {
      server.close();
      listener.close();
    },
  };
}

Deno.test("serveJobs(): gives back a job that the server handed out while the worker stopped", async () => {
  using scripted = await startScripted();
  const { server, worker } = scripted;
  worker.stopping.abort();
  await server.send("RESERVED 7 1\r\n3\r\n");
  assert.equal(await server.line(), "stats-job 7\r\n");
  const stats = "---\nid: 7\npri: 42\n";
  await server.send(`OK ${stats.length}\r\n${stats}\r\n`);
  assert.equal(await server.line(), "release 7 42 0\r\n");
  await server.send("RELEASED\r\n");
  await worker.over();
  assert.equal(await server.rest(), "");
});

Deno.test("serveJobs(): an idle worker stops after the wait in progress", async () => {
  using scripted = await startScripted();
  const { server, worker } = scripted;
  await server.send("TIMED_OUT\r\n");
  assert.match(await server.line(), /^reserve-with-timeout/);
  worker.stopping.abort();
  await server.send("TIMED_OUT\r\n");
  await worker.over();
});

Deno.test("serveJobs(): a server that does not answer cannot keep a worker from stopping", async () => {
  using scripted = await startScripted({ stopTimeoutMs: 50 });
  scripted.worker.stopping.abort();
  await assert.rejects(scripted.worker.over(), /Connection lost/);
});

Deno.test("serveJobs(): the second signal gives the job back without counting an attempt", async () => {
  await using server = await startServer();
  const client = server.queue.connect();
  const id = await put(client, spec("x"));
  const begun = Promise.withResolvers<void>();
  const runner: WorkRunner = ({ cancelled }) => {
    begun.resolve();
    const { promise, resolve } = Promise.withResolvers<{ done: false; reason: string }>();
    cancelled.addEventListener("abort", () => resolve({ done: false, reason: "killed" }));
    return promise;
  };
  const worker = await startWorker(server.port, { runner });
  await within(60_000, "the run", begun.promise);
  worker.stopping.abort();
  worker.ending.abort();
  await worker.over();
  const { state, attempts, reserves } = (await client.statsJob(id))!;
  assert.deepEqual({ state, attempts, reserves }, { state: "ready", attempts: 0, reserves: 1 });
});

Deno.test("serveJobs(): truncates a result that the server does not accept, and does not run the job again", async () => {
  for (const resultBytes of [101, 5000]) {
    await using server = await startServer({ maxJobBytes: 100 });
    const client = server.queue.connect();
    const id = await put(client, spec("x"));
    const result = new Uint8Array(101).fill(97);
    const worker = await startWorker(server.port, {
      runner: () => Promise.resolve({ done: true, result, resultBytes }),
    });
    const waited = await within(60_000, "the result", Promise.resolve(client.wait(id, 60_000)));
    assert.ok(typeof waited === "object" && waited !== null && "body" in waited);
    assert.equal(waited.state, "done");
    const note = `\n[truncated: the result had ${resultBytes} bytes]\n`;
    assert.equal(waited.body, `${"a".repeat(100 - note.length)}${note}`);
    worker.stopping.abort();
    await worker.over();
  }
});

Deno.test("serveJobs(): truncates a result also without the right to ask the server for its limit", async () => {
  for (const [maxJobBytes, kept] of [[70_000, 65_535], [100, 63]] as const) {
    const guard = guardWithRights(taskRights, { work: ["mail"] });
    await using server = await startServer({ maxJobBytes, guard: () => guard });
    const client = server.queue.connect();
    client.use("mail");
    const id = await put(client, spec("x"));
    const result = new Uint8Array(70_001).fill(97);
    const worker = await startWorker(server.port, {
      runner: () => Promise.resolve({ done: true, result, resultBytes: result.length }),
      token: LIMITED_TOKEN,
      tubes: ["mail"],
    });
    const waited = await within(60_000, "the result", Promise.resolve(client.wait(id, 60_000)));
    assert.ok(typeof waited === "object" && waited !== null && "body" in waited);
    assert.deepEqual([waited.state, waited.body.length], ["done", kept]);
    assert.match(valueText(waited.body), /^a+\n\[truncated: the result had 70001 bytes\]\n$/);
    worker.stopping.abort();
    await worker.over();
  }
});

Deno.test("serveJobs(): a touch reports the progress of a job when it is new", async () => {
  let text = "";
  const over = Promise.withResolvers<JobOutcome>();
  using scripted = await startScripted({
    runner: ({ reports }) => {
      reports!(() => Promise.resolve(new TextEncoder().encode(text)));
      return over.promise;
    },
  });
  const { server, worker } = scripted;
  await server.send("RESERVED 7 1\r\n3\r\n");
  assert.equal(await server.line(), "stats-job 7\r\n");
  const stats = "---\nid: 7\nttr: 1\n";
  await server.send(`OK ${stats.length}\r\n${stats}\r\n`);
  const progressed = (text: string) => [`progress 7 ${text.length}\r\n`, `${text}\r\n`];
  for (
    const [next, lines] of [
      ["", ["touch 7\r\n"]],
      ["10 %", progressed("10 %")],
      ["10 %", ["touch 7\r\n"]],
      ["half", progressed("half")],
    ] as const
  ) {
    text = next;
    for (const line of lines) assert.equal(await server.line(), line);
    await server.send("TOUCHED\r\n");
  }
  worker.stopping.abort();
  over.resolve({ done: true, result: new Uint8Array(0), resultBytes: 0 });
  while (await server.line() !== "done 7 0\r\n") await server.send("TOUCHED\r\n");
  assert.equal(await server.line(), "\r\n");
  await server.send("DONE\r\n");
  await worker.over();
});

Deno.test("serveJobs(): stops the run of a job that is cancelled, and takes the next one", async () => {
  await using server = await startServer();
  const client = server.queue.connect();
  const id = await put(client, spec("x", { ttrMs: 1000 }));
  const begun: string[] = [];
  const ended: string[] = [];
  const runner: WorkRunner = ({ id, stop, cancelled }) => {
    begun.push(id);
    const { promise, resolve } = Promise.withResolvers<{ done: false; reason: string }>();
    const end = (how: string) => {
      ended.push(`${how} ${id}`);
      resolve({ done: false, reason: how });
    };
    stop!.addEventListener("abort", () => end("stopped"));
    cancelled.addEventListener("abort", () => end("killed"));
    return promise;
  };
  const worker = await startWorker(server.port, { runner });
  await until("the run", () => begun.length === 1);
  assert.equal(await client.cancelJob(id), true);
  await until("the run has ended", () => ended.length > 0);
  assert.deepEqual(ended, [`stopped ${id}`]);
  const next = await put(client, spec("y"));
  await until("the next one runs", () => begun.length === 2);
  assert.deepEqual(begun, [String(id), String(next)]);
  assert.equal((await client.result(id))!.state, "cancelled");
  worker.ending.abort();
  worker.stopping.abort();
  await worker.over();
});

Deno.test("serveJobs(): tells the runner how long a job may run", async () => {
  await using server = await startServer();
  const client = server.queue.connect();
  const seen: (number | undefined)[] = [];
  const worker = await startWorker(server.port, {
    runner: ({ timeoutMs }) => {
      seen.push(timeoutMs);
      return Promise.resolve({ done: true, result: new Uint8Array(0), resultBytes: 0 });
    },
  });
  await put(client, spec("x", { options: { timeoutMs: 1500 } }));
  const last = await put(client, spec("y"));
  await within(60_000, "the last one", Promise.resolve(client.wait(last, 60_000)));
  assert.deepEqual(seen, [1500, undefined]);
  worker.stopping.abort();
  await worker.over();
});

Deno.test("truncated() keeps within the limit, even one shorter than its note", () => {
  const cut = truncated(new Uint8Array(10), { maxBytes: 5, resultBytes: 10 });
  assert.equal(new TextDecoder().decode(cut), "\n[tru");
});
