import assert from "node:assert/strict";
import fc from "fast-check";
import type { Connection } from "../../../lib/net/connection.ts";
import { BeanstalkServer } from "../../../lib/task/beanstalk/server.ts";
import { storageUnavailable } from "../../../lib/storage/store.ts";
import { SYSTEM_CLOCK } from "../../../lib/task/clock.ts";
import { MemoryQueue } from "../../../lib/task/memory/queue.ts";
import { delay } from "@std/async/delay";
import { TestLog } from "../../support/log.ts";
import { checkRequests, piecesOf, sourceOf } from "../../support/requests.ts";
import { queueOptions, SILENT_LOG } from "../support.ts";

/** Commands that are consumed at once and in several pieces. */
const COMMANDS = [
  "use tube\r\n",
  "put 0 0 60 5\r\nhello\r\n",
  "put 0 0 60 40\r\n" + "x".repeat(40) + "\r\n",
  "put 0 0 60 4\r\nno end",
  "y".repeat(300) + "\r\n",
  "nonsense\r\n",
  "reserve-with-timeout 0\r\n",
  "stats\r\n",
];

Deno.test("BeanstalkSession: a client that sends many commands at once lets others have their turns", async () => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const server = new BeanstalkServer(queue, { maxJobBytes: 10, version: "0.0.0", log: SILENT_LOG });
  Object.defineProperty(server, "turn", { value: { over: true } });
  const commands = "put 0 0 60 1\r\nx\r\n".repeat(20);
  const source = sourceOf([new TextEncoder().encode(commands)]);
  const otherTurn = new Promise<number>((resolve) =>
    setTimeout(() => resolve(queue.stats().ready))
  );
  await server.serve({ ...source, write: () => Promise.resolve() } as unknown as Connection);
  const ready = await otherTurn;
  assert(ready < 20, `it came after ${ready} commands`);
  assert.equal(queue.stats().ready, 20);
  await queue.close();
});

Deno.test("BeanstalkSession: a client lets others have their turns between its batches", async () => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const server = new BeanstalkServer(queue, { maxJobBytes: 10, version: "0.0.0", log: SILENT_LOG });
  Object.defineProperty(server, "turn", { value: { over: true } });
  const jobs = "0 0 60 1\r\nx\r\n".repeat(500);
  const body = new TextEncoder().encode(`${jobs}\r\n`);
  // Each batch comes in reads of its own, as that of a client does which keeps its socket full.
  const batch = [new TextEncoder().encode(`put-batch 500 ${jobs.length}\r\n`)];
  for (let at = 0; at < body.length; at += 1024) batch.push(body.subarray(at, at + 1024));
  const source = sourceOf([...batch, ...batch, ...batch]);
  const seen: number[] = [];
  const other = setInterval(() => seen.push(queue.stats().ready), 0);
  await server.serve({ ...source, write: () => Promise.resolve() } as unknown as Connection);
  clearInterval(other);
  assert(seen.includes(500) && seen.includes(1000), `others came after ${seen.join(", ")} jobs`);
  assert.equal(queue.stats().ready, 1500);
  await queue.close();
});

Deno.test("BeanstalkSession: a client whose job cannot be stored gets one error, and the log no other", async () => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const connect = queue.connect.bind(queue);
  const put = () => {
    throw storageUnavailable("the disk is full");
  };
  queue.connect = (...options) => Object.assign(connect(...options), { put });
  const logged = new TestLog();
  const options = { maxJobBytes: 10, version: "0.0.0", log: logged.log };
  const source = sourceOf([new TextEncoder().encode("use a\r\nput 0 0 60 1\r\nx\r\nuse b\r\n")]);
  let sent = "";
  const write = (bytes: Uint8Array) => {
    sent += new TextDecoder().decode(bytes);
    return Promise.resolve();
  };
  const connection = { ...source, id: 7, write } as unknown as Connection;
  await new BeanstalkServer(queue, options).serve(connection);
  assert.equal(sent, "INTERNAL_ERROR\r\n");
  // The storage itself has logged the failure. With a line for each client, it would be buried.
  assert.match(
    logged.lines.join(""),
    /^\S+ level=debug .* client=7 error="storage unavailable: .*"\n$/,
  );
  await queue.close();
});

Deno.test("BeanstalkSession: each read names the command that it continues, wherever the input is cut", async () => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const server = new BeanstalkServer(queue, { maxJobBytes: 10, version: "0.0.0", log: SILENT_LOG });
  await fc.assert(fc.asyncProperty(
    fc.array(fc.constantFrom(...COMMANDS), { minLength: 1, maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 40 }),
    async (commands, sizes) => {
      const { pieces, cuts } = piecesOf(new TextEncoder().encode(commands.join("")), sizes);
      const source = sourceOf(pieces);
      const written: number[] = [];
      const write = (bytes: Uint8Array) => Promise.resolve(void written.push(bytes.length));
      await server.serve({ ...source, write } as unknown as Connection);
      assert.ok(written.length > 0);
      let end = 0;
      checkRequests(source.requests, cuts, commands.map((command) => end += command.length));
    },
  ));
  await queue.close();
});

Deno.test("BeanstalkSession: replies keep their order, however long each of the puts and deletes takes", async () => {
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const connect = queue.connect.bind(queue);
  const answers = ["first", "second", "third"].map(() => Promise.withResolvers<number | boolean>());
  queue.connect = () => {
    const client = connect();
    let next = 0;
    const answer = () => answers[next++ % answers.length]!.promise;
    return Object.assign(client, { put: answer, delete: answer });
  };
  const server = new BeanstalkServer(queue, { maxJobBytes: 10, version: "0.0.0", log: SILENT_LOG });
  for (
    const [commands, expected] of [
      ["put 0 0 60 1\r\nx\r\n".repeat(3), "INSERTED 1\r\nINSERTED 2\r\nINSERTED 3\r\n"],
      ["delete 1\r\n".repeat(3), "DELETED\r\nNOT_FOUND\r\nDELETED\r\n"],
    ] as const
  ) {
    const values = expected.startsWith("I") ? [1, 2, 3] : [true, false, true];
    for (const [index, value] of values.entries()) {
      answers[index] = Promise.withResolvers();
      // The last one is there at once, and the first one at the end.
      setTimeout(() => answers[index]!.resolve(value), 2 * (values.length - 1 - index));
    }
    let written = "";
    const write = (bytes: Uint8Array) => {
      written += new TextDecoder().decode(bytes);
      return Promise.resolve();
    };
    const source = sourceOf([new TextEncoder().encode(commands)]);
    await server.serve({ ...source, write } as unknown as Connection);
    assert.equal(written, expected);
  }
  await queue.close();
});

Deno.test("BeanstalkSession: a slow command is noted with its tube or job, and one that waits for jobs is not", async () => {
  const log = new TestLog();
  const queue = new MemoryQueue(SYSTEM_CLOCK, queueOptions());
  const connect = queue.connect.bind(queue);
  const slowly = <T>(value: T) => async () => {
    await delay(10);
    return value;
  };
  queue.connect = (about) =>
    Object.assign(connect(about), {
      pauseTube: slowly(true),
      cancelJob: slowly(false),
      kick: slowly(0),
      reserve: slowly("TIMED_OUT"),
    });
  const server = new BeanstalkServer(queue, {
    maxJobBytes: 10,
    version: "0.0.0",
    log: log.log,
    slowMs: 5,
  });
  const commands = "pause-tube mail 5\r\ncancel 7\r\nkick 1\r\nreserve\r\nuse a\r\n";
  const source = sourceOf([new TextEncoder().encode(commands)]);
  await server.serve({ ...source, write: () => Promise.resolve() } as unknown as Connection);
  const noted = log.matching("Slow command").map((line) => /command=.*(?= ms=)/.exec(line)![0]);
  assert.deepEqual(noted, ["command=pause-tube key=mail", "command=cancel key=7", "command=kick"]);
  assert.equal(server.slow.count, 3);
  server.slow.setLimit(0);
  await queue.close();
});
