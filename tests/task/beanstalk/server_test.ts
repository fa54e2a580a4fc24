import assert from "node:assert/strict";
import { parse } from "yaml";
import { until } from "../../support/within.ts";
import { SYSTEM_CLOCK } from "../../../lib/task/clock.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import {
  ManualClock,
  queueOptions,
  startServer,
  type TestServer,
  type WireClient,
} from "../support.ts";

/** Registers a test that has a server of its own. */
function serverTest(
  name: string,
  run: (server: TestServer) => Promise<void>,
  options: Parameters<typeof startServer>[0] = {},
): void {
  Deno.test(`beanstalk server: ${name}`, async () => {
    await using server = await startServer(options);
    await run(server);
  });
}

/** A queue with these rules or limits. */
function withOptions(options: Parameters<typeof queueOptions>[0]): { queue: MemoryQueue } {
  return { queue: new MemoryQueue(SYSTEM_CLOCK, queueOptions(options)) };
}

/** A queue whose time stands still. */
function stopped(): { queue: MemoryQueue } {
  return { queue: new MemoryQueue(new ManualClock(), queueOptions()) };
}

serverTest("put, reserve, touch, release, bury, kick, delete", async (server) => {
  const client = await server.client();
  await client.ask("put 5 0 60 5\r\nhello\r\n", "INSERTED 1\r\n");
  await client.ask("bury 1 0\r\n", "NOT_FOUND\r\n");
  await client.ask("reserve\r\n", "RESERVED 1 5\r\nhello\r\n");
  await client.ask("touch 1\r\n", "TOUCHED\r\n");
  await client.ask("release 1 7 0\r\n", "RELEASED\r\n");
  await client.ask("touch 1\r\n", "NOT_FOUND\r\n");
  await client.ask("peek-ready\r\n", "FOUND 1 5\r\nhello\r\n");
  await client.ask("reserve-job 1\r\n", "RESERVED 1 5\r\nhello\r\n");
  await client.ask("bury 1 9\r\n", "BURIED\r\n");
  await client.ask("peek-buried\r\n", "FOUND 1 5\r\nhello\r\n");
  await client.ask("kick 10\r\n", "KICKED 1\r\n");
  await client.ask("kick-job 1\r\n", "NOT_FOUND\r\n");
  await client.ask("peek 1\r\n", "FOUND 1 5\r\nhello\r\n");
  await client.ask("peek 18446744073709551615\r\n", "NOT_FOUND\r\n");
  await client.ask("delete 1\r\n", "DELETED\r\n");
  await client.ask("delete 1\r\n", "NOT_FOUND\r\n");
  await client.ask("peek-ready\r\n", "NOT_FOUND\r\n");
  await client.ask("peek-delayed\r\n", "NOT_FOUND\r\n");
  await client.ask("peek-buried\r\n", "NOT_FOUND\r\n");
});

serverTest("use, watch, ignore and the list commands", async (server) => {
  const client = await server.client();
  await client.ask("watch w\r\n", "WATCHING 2\r\n");
  await client.ask("watch w\r\n", "WATCHING 2\r\n");
  await client.ask("use u\r\n", "USING u\r\n");
  await client.ask("list-tubes\r\n", "OK 22\r\n---\n- default\n- w\n- u\n\r\n");
  await client.ask("list-tube-used\r\n", "USING u\r\n");
  await client.ask("list-tubes-watched\r\n", "OK 18\r\n---\n- default\n- w\n\r\n");
  await client.ask("ignore nothing\r\n", "WATCHING 2\r\n");
  await client.ask("ignore default\r\n", "WATCHING 1\r\n");
  await client.ask("ignore w\r\n", "NOT_IGNORED\r\n");
});

serverTest("commands in one packet are answered in order", async (server) => {
  const client = await server.client();
  await client.ask(
    "use a\r\nuse b\r\nput 0 0 1 1\r\nx\r\nnonsense\r\npeek 1\r\nput 0 0 1 2\r\nxyz",
    "USING a\r\nUSING b\r\nINSERTED 1\r\nUNKNOWN_COMMAND\r\nFOUND 1 1\r\nx\r\n",
  );
  await client.ask("\r", "EXPECTED_CRLF\r\n");
});

serverTest("commands after a waiting reserve run when it is over", async (server) => {
  const worker = await server.client(), producer = await server.client();
  await worker.send("use other\r\nreserve\r\ndelete 1\r\nlist-tube-used\r\n");
  await worker.expect("USING other\r\n");
  await producer.ask("put 0 0 10 1\r\na\r\n", "INSERTED 1\r\n");
  await worker.expect("RESERVED 1 1\r\na\r\nDELETED\r\nUSING other\r\n");
});

serverTest("a body that is too big is skipped", async (server) => {
  const client = await server.client();
  await client.send("put 0 0 0 11\r\ndelete 9999\r\nput 0 0 0 1\r\nx\r\n");
  await client.expect("JOB_TOO_BIG\r\nINSERTED 1\r\n");
  await client.send(`put 0 0 0 1073741825\r\n`);
  for (let sent = 0; sent < 64; sent++) await client.send("a".repeat(16 * 1024));
  await client.endInput();
  await client.expectEnd();
}, { maxJobBytes: 10 });

serverTest("a body that never comes does not disturb other clients", async (server) => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => server.client()));
  for (const client of clients) await client.send("put 0 0 1 65535\r\nand then nothing");
  const other = await server.client();
  await other.ask("put 0 0 1 1\r\nx\r\n", "INSERTED 1\r\n");
  for (const client of clients) client.close();
  await other.ask("peek 2\r\n", "NOT_FOUND\r\n");
});

serverTest(
  "reserve-with-timeout times out, and at once when the client closes its side",
  async (server) => {
    const client = await server.client(), half = await server.client();
    await client.ask("reserve-with-timeout 0\r\n", "TIMED_OUT\r\n");
    const start = performance.now();
    await client.ask("reserve-with-timeout 1\r\n", "TIMED_OUT\r\n");
    assert(performance.now() - start >= 990);
    await half.send("reserve\r\n");
    await half.endInput();
    await half.expect("TIMED_OUT\r\n");
    await half.expectEnd();
  },
);

serverTest("DEADLINE_SOON in the last second of a job, unless another is ready", async (server) => {
  const client = await server.client();
  await client.ask("put 0 0 1 1\r\na\r\n", "INSERTED 1\r\n");
  await client.ask("reserve-with-timeout 1\r\n", "RESERVED 1 1\r\na\r\n");
  await client.ask("reserve-with-timeout 1\r\n", "DEADLINE_SOON\r\n");
  assert.match(await client.chunk("stats-job 1\r\n"), /\nstate: reserved\n/);
  await client.ask("put 0 0 1 1\r\nb\r\n", "INSERTED 2\r\n");
  await client.ask("reserve\r\n", "RESERVED 2 1\r\nb\r\n");
  await client.ask("release 1 0 0\r\n", "RELEASED\r\n");
  assert.match(await client.chunk("stats-job 1\r\n"), /\nstate: ready\n/);
}, stopped());

serverTest("a client that disconnects or quits gives its jobs back", async (server) => {
  const producer = await server.client();
  for (const leave of ["close", "quit"]) {
    const worker = await server.client();
    await worker.send("reserve\r\n");
    const id = leave === "close" ? 1 : 2;
    await producer.ask("put 0 0 100 1\r\na\r\n", `INSERTED ${id}\r\n`);
    await worker.expect(`RESERVED ${id} 1\r\na\r\n`);
    if (leave === "close") worker.close();
    else {
      await worker.send("quit\r\n");
      await worker.expectEnd();
    }
    await producer.ask("reserve-with-timeout 5\r\n", `RESERVED ${id} 1\r\na\r\n`);
    await producer.ask(`delete ${id}\r\n`, "DELETED\r\n");
  }
});

serverTest("a waiting client that disconnects takes no job with it", async (server) => {
  const lost = await server.client(), producer = await server.client();
  await lost.send("reserve\r\nreserve\r\n");
  await producer.ask("use x\r\n", "USING x\r\n");
  lost.close();
  const worker = await server.client();
  await until(
    "0 clients wait",
    async () => /\ncurrent-waiting: 0\n/.test(await worker.chunk("stats\r\n")),
  );
  await producer.ask("use default\r\nput 0 0 9 1\r\na\r\n", "USING default\r\nINSERTED 1\r\n");
  await worker.ask("reserve-with-timeout 5\r\n", "RESERVED 1 1\r\na\r\n");
  assert.match(await worker.chunk("stats-job 1\r\n"), /\nreserves: 1\n/);
});

serverTest("pause-tube holds jobs back, and 0 releases them at once", async (server) => {
  const client = await server.client(), worker = await server.client();
  await client.ask("pause-tube nowhere 1\r\n", "NOT_FOUND\r\n");
  await client.ask("put 0 0 0 0\r\n\r\n", "INSERTED 1\r\n");
  await client.ask("pause-tube default 86400\r\n", "PAUSED\r\n");
  assert.match(await client.chunk("stats-tube default\r\n"), /\npause: 86400\n/);
  await worker.send("reserve\r\n");
  await client.ask("pause-tube default 0\r\n", "PAUSED\r\n");
  await worker.expect("RESERVED 1 0\r\n\r\n");
});

serverTest(
  "stats, stats-job and stats-tube have every key, with strings in quotes",
  async (server) => {
    const client = await server.client();
    await client.ask("use tubea\r\n", "USING tubea\r\n");
    await client.ask("put 3 0 4294 2\r\nhi\r\n", "INSERTED 1\r\n");
    assert.equal(
      await client.chunk("stats-job 1\r\n"),
      '---\nid: 1\ntube: "tubea"\nstate: ready\npri: 3\nage: 0\ndelay: 0\nttr: 4294\ntime-left: 0\n' +
        "file: 0\nreserves: 0\ntimeouts: 0\nreleases: 0\nburies: 0\nkicks: 0\nattempts: 0\n" +
        'key: ""\nreason: ""\nprogress: ""\n',
    );
    await client.ask("delete 1\r\n", "DELETED\r\n");
    assert.equal(
      await client.chunk("stats-tube tubea\r\n"),
      '---\nname: "tubea"\ncurrent-jobs-urgent: 0\ncurrent-jobs-ready: 0\ncurrent-jobs-reserved: 0\n' +
        "current-jobs-delayed: 0\ncurrent-jobs-buried: 0\ntotal-jobs: 1\ncurrent-using: 1\n" +
        "current-watching: 0\ncurrent-waiting: 0\ncmd-delete: 1\ncmd-pause-tube: 0\npause: 0\n" +
        "pause-time-left: 0\n",
    );
    const keys = (await client.chunk("stats\r\n")).split("\n").map((line) => line.split(":")[0]);
    const expected = "current-jobs-urgent current-jobs-ready current-jobs-reserved " +
      "current-jobs-delayed current-jobs-buried cmd-put cmd-peek cmd-peek-ready cmd-peek-delayed " +
      "cmd-peek-buried cmd-reserve cmd-reserve-with-timeout cmd-delete cmd-release cmd-use " +
      "cmd-watch cmd-ignore cmd-bury cmd-kick cmd-touch cmd-stats cmd-stats-job cmd-stats-tube " +
      "cmd-list-tubes cmd-list-tube-used cmd-list-tubes-watched cmd-pause-tube job-timeouts " +
      "total-jobs max-job-size current-tubes current-connections current-producers " +
      "current-workers current-waiting total-connections pid version rusage-utime rusage-stime " +
      "uptime binlog-oldest-index binlog-current-index binlog-records-migrated " +
      "binlog-records-written binlog-max-size draining id hostname os platform";
    for (const key of expected.split(" ")) assert(keys.includes(key), `${key} is missing`);
  },
);

serverTest("done, result and wait", async (server) => {
  const client = await server.client(), worker = await server.client();
  await client.ask("put 0 0 10 1\r\n9\r\n", "INSERTED 1\r\n");
  await client.ask("result 1\r\n", "RESULT 1 ready 0\r\n\r\n");
  await client.ask("wait 1 0\r\n", "TIMED_OUT\r\n");
  await client.send("wait 1 10\r\nlist-tube-used\r\n");
  await worker.ask("done 1 2\r\n81\r\n", "NOT_FOUND\r\n");
  await worker.ask("reserve\r\n", "RESERVED 1 1\r\n9\r\n");
  await worker.ask("done 1 2\r\n81\r\n", "DONE\r\n");
  await client.expect("RESULT 1 done 2\r\n81\r\nUSING default\r\n");
  await worker.ask("result 1\r\n", "RESULT 1 done 2\r\n81\r\n");
  await worker.ask("done 1 2\r\n81\r\n", "NOT_FOUND\r\n");
  await client.ask("result 2\r\n", "NOT_FOUND\r\n");
  await client.ask("wait 2 1\r\n", "NOT_FOUND\r\n");
});

serverTest("progress shows in stats-job, list-jobs, result and wait", async (server) => {
  const client = await server.client(), worker = await server.client();
  await client.ask("put 0 0 10 1\r\nx\r\n", "INSERTED 1\r\n");
  await worker.ask("progress 1 4\r\nhalf\r\n", "NOT_FOUND\r\n");
  await worker.ask("reserve\r\n", "RESERVED 1 1\r\nx\r\n");
  await client.send("wait 1 10 progress\r\nlist-tube-used\r\n");
  await worker.ask(`progress 1 1025\r\n${"y".repeat(1025)}\r\n`, "JOB_TOO_BIG\r\n");
  await worker.ask('progress 1 3\r\n\xc3\xa4"\r\n', "TOUCHED\r\n");
  await client.expect('RESULT 1 reserved 3\r\n\xc3\xa4"\r\nUSING default\r\n');
  await client.ask("wait 1 0 progress\r\n", "TIMED_OUT\r\n");
  await client.ask("result 1\r\n", 'RESULT 1 reserved 3\r\n\xc3\xa4"\r\n');
  const shown = /\n *progress: "\\u00e4\\""\n/;
  assert.match(await client.chunk("stats-job 1\r\n"), shown);
  assert.match(await client.chunk("list-jobs default reserved\r\n"), shown);
  const longest = "z".repeat(1024);
  await worker.ask(`progress 1 1024\r\n${longest}\r\n`, "TOUCHED\r\n");
  await client.ask("wait 1 0 progress\r\n", `RESULT 1 reserved 1024\r\n${longest}\r\n`);
  assert.match(await client.chunk("stats\r\n"), /\ncmd-progress: 3\n/);
});

serverTest(
  "fail buries after the last attempt, and stats-job and wait give the reason",
  async (server) => {
    const client = await server.client();
    await client.ask("put 0 0 10 1\r\nx\r\n", "INSERTED 1\r\n");
    await client.ask("reserve\r\n", "RESERVED 1 1\r\nx\r\n");
    await client.ask('fail 1 9\r\nno\n"bread"\r\n', "EXPECTED_CRLF\r\n");
    await client.ask('"\r\n', "UNKNOWN_COMMAND\r\n");
    await client.ask("fail 1 8\r\nno bread\r\n", "RELEASED\r\n");
    assert.match(await client.chunk("stats-job 1\r\n"), /\nstate: delayed\n(.*\n)*delay: 0\n/);
    await client.ask("reserve-job 1\r\n", "RESERVED 1 1\r\nx\r\n");
    await client.ask('fail 1 9\r\n\xc3\xa4 "milk"\r\n', "BURIED\r\n");
    const stats = await client.chunk("stats-job 1\r\n");
    assert.match(stats, /\nattempts: 2\n/);
    assert.match(stats, /\nreason: "\\u00e4 \\"milk\\""\n/);
    await client.ask("wait 1 10\r\n", 'RESULT 1 buried 9\r\n\xc3\xa4 "milk"\r\n');
  },
  withOptions({ rules: { default: { maxAttempts: 2 } } }),
);

serverTest("put-unique, put-batch and reserve-batch", async (server) => {
  const client = await server.client();
  await client.ask("put-unique k 5 0 10 1\r\na\r\n", "INSERTED 1\r\n");
  await client.ask("put-unique k 5 0 10 1\r\nb\r\n", "EXISTS 1\r\n");
  const batch = "1 0 10 1\r\nc\r\n2 0 10 2\r\ndd\r\n";
  await client.ask(`put-batch 2 ${batch.length}\r\n${batch}\r\n`, "INSERTED 2 3\r\n");
  await client.ask(
    "reserve-batch 2\r\n",
    "RESERVED-BATCH 2\r\nRESERVED 2 1\r\nc\r\nRESERVED 3 2\r\ndd\r\n",
  );
  await client.ask("reserve-batch 9 0\r\n", "RESERVED-BATCH 1\r\nRESERVED 1 1\r\na\r\n");
  await client.ask("reserve-batch 9 0\r\n", "TIMED_OUT\r\n");
});

serverTest("a put gets DRAINING, once its body has come", async (server) => {
  const client = await server.client();
  server.queue.drain();
  await client.ask("put 0 0 1 1\r\nx\r\n", "DRAINING\r\n");
  await client.ask("put 0 0 1 1\r\nxyz", "EXPECTED_CRLF\r\n");
  assert.match(await client.chunk("stats\r\n"), /\ndraining: true\n/);
});

serverTest("OUT_OF_MEMORY beyond the limits, and the connection stays open", async (server) => {
  const client = await server.client();
  await client.ask("put 0 0 1 1\r\nx\r\n", "INSERTED 1\r\n");
  await client.ask("put 0 0 1 1\r\nx\r\n", "OUT_OF_MEMORY\r\n");
  await client.ask("use a\r\nuse b\r\n", "USING a\r\nUSING b\r\n");
  await client.ask("watch c\r\n", "OUT_OF_MEMORY\r\n");
  await client.ask("delete 1\r\nput 0 0 1 1\r\nx\r\n", "DELETED\r\nINSERTED 2\r\n");
}, withOptions({ limits: { maxJobs: 1, maxTubes: 2 } }));

serverTest("a client that asks for much and reads nothing has to wait", async (server) => {
  const greedy = await server.client(), other = await server.client();
  const body = "x".repeat(60_000);
  await greedy.ask(`put 0 0 10 60000\r\n${body}\r\n`, "INSERTED 1\r\n");
  let sent = 0;
  const sending = (async () => {
    for (; sent < 2000; sent++) await greedy.send("peek 1\r\n".repeat(1000));
  })().catch(() => {});
  for (let round = 0; round < 20; round++) await other.ask("peek 2\r\n", "NOT_FOUND\r\n");
  const [connection] = [...server.listener.connections];
  assert(connection!.bytesReceived < 4_000_000, `${connection!.bytesReceived} bytes were read`);
  greedy.close();
  await sending;
});

serverTest("1 000 waiting workers are all served", async (server) => {
  const workers = await Promise.all(Array.from({ length: 1000 }, () => server.client()));
  for (const worker of workers) await worker.send("reserve\r\n");
  const producer = await server.client();
  await until(
    "1000 clients wait",
    async () => /\ncurrent-waiting: 1000\n/.test(await producer.chunk("stats\r\n")),
  );
  const jobs = Array.from({ length: 1000 }, () => "put 0 0 60 1\r\nx\r\n").join("");
  await producer.send(jobs);
  const ids = new Set<string>();
  for (const worker of workers) {
    ids.add((await worker.line()).split(" ")[1]!);
    await worker.expect("x\r\n");
  }
  assert.equal(ids.size, 1000);
});

serverTest("the request timeout does not run while a command waits for a job", async (server) => {
  const clients: WireClient[] = [];
  for (const waiting of [1, 2]) {
    const client = await server.client();
    clients.push(client);
    await client.send("reserve\r\nput 0 0 60 5\r\nhello\r\nuse tu");
    await until("it waits", () => server.queue.metrics().total.waiting === waiting);
  }
  const [patient, late] = clients as [WireClient, WireClient];
  // Two clients that send half a command show that the limit has passed twice.
  for (let count = 0; count < 2; count++) {
    const slow = await server.client();
    await slow.send("put 0 0 60 5\r\nhel");
    await slow.expectEnd();
  }
  const producer = await server.client();
  await producer.ask("put 0 0 60 1\r\na\r\n", "INSERTED 1\r\n");
  await patient.expect("RESERVED 1 1\r\na\r\nINSERTED 2\r\n");
  await patient.ask("be\r\n", "USING tube\r\n");
  await late.expect("RESERVED 2 5\r\nhello\r\nINSERTED 3\r\n");
  // From here on only the rest of a command is missing.
  await late.expectEnd();
  await patient.ask("use other\r\n", "USING other\r\n");
}, { requestTimeoutMs: 2000 });

serverTest("list-jobs, list-workers, quiet-worker and resume-worker", async (server) => {
  const client = await server.client(), worker = await server.client();
  await client.ask("use mail\r\nput 7 0 60 5\r\nhello\r\n", "USING mail\r\nINSERTED 1\r\n");
  const [job] = parse(await client.chunk("list-jobs mail ready\r\n"));
  assert.deepEqual([job.id, job.pri, job.attempts, job.bytes, job.body], [1, 7, 0, 5, "hello"]);
  assert.equal(parse(await client.chunk("list-jobs mail ready 1\r\n")), null);
  await client.ask("list-jobs none ready\r\n", "NOT_FOUND\r\n");
  assert.equal(parse(await client.chunk("list-workers\r\n")), null);

  await worker.ask("watch mail\r\nreserve\r\n", "WATCHING 2\r\nRESERVED 1 5\r\nhello\r\n");
  const [held] = parse(await client.chunk("list-workers 0 5\r\n"));
  assert.match(held.address, /^127\.0\.0\.1:\d+$/);
  assert.deepEqual([held.worker, held.port, held.tubes], [1, "beanstalk", ["default", "mail"]]);
  assert.deepEqual([held["current-jobs-reserved"], held.jobs, held.quiet], [1, [1], false]);

  await client.ask("quiet-worker 1\r\n", "QUIETED\r\n");
  await client.ask("put 7 0 60 5\r\nagain\r\n", "INSERTED 2\r\n");
  await worker.ask("reserve-with-timeout 0\r\n", "TIMED_OUT\r\n");
  await worker.ask("delete 1\r\n", "DELETED\r\n");
  await worker.send("reserve\r\n");
  await until("it waits", () => server.queue.workers.list(0, 1)[0]!.waits);
  await client.ask("resume-worker 1\r\n", "RESUMED\r\n");
  await worker.expect("RESERVED 2 5\r\nagain\r\n");
  await client.ask("resume-worker 2\r\n", "NOT_FOUND\r\n");
  const stats = await client.chunk("stats\r\n");
  assert.match(stats, /\ncmd-list-jobs: 3\n/);
  assert.match(stats, /\ncmd-resume-worker: 2\n/);
});
