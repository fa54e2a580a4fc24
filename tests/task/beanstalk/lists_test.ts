import assert from "node:assert/strict";
import { parse } from "yaml";
import { formatJobs, formatWorkers } from "../../../lib/task/beanstalk/lists.ts";
import type { ListedJob } from "../../../lib/task/queue.ts";
import type { WorkerStats } from "../../../lib/task/workers.ts";

Deno.test("formatJobs() writes valid YAML, whatever the body and the reason contain", () => {
  const job = { id: 7, priority: 10, ageMs: 61_999, leftMs: 500, attempts: 3, bodyBytes: 900 };
  const texts = ["", "- a: b\n---\n", '"quoted" #', "Z\xc3\xbcrich", "\0\xff"];
  const listed = texts.map((text) =>
    ({ ...job, reason: text, progress: text, excerpt: text }) as ListedJob
  );
  const rows = parse(formatJobs(listed)) as Record<string, unknown>[];
  assert.deepEqual(rows[0], {
    id: 7,
    pri: 10,
    age: 61,
    "time-left": 0,
    attempts: 3,
    reason: "",
    progress: "",
    bytes: 900,
    body: "",
  });
  const read = ["", "- a: b\n---\n", '"quoted" #', "Zürich", "\0\ufffd"];
  assert.deepEqual(rows.map(({ body }) => body), read);
  assert.deepEqual(rows.map(({ reason }) => reason), read);
  assert.deepEqual(rows.map(({ progress }) => progress), read);
  assert.deepEqual(parse(formatJobs([])), null);
});

Deno.test("formatWorkers() writes what a worker watches and holds", () => {
  const worker: WorkerStats = {
    number: 12,
    address: "127.0.0.1:40312",
    port: "beanstalk",
    ageMs: 90_000,
    quiet: true,
    waits: false,
    watches: 2,
    watched: ["default", "mail"],
    busyMs: 2000,
    holds: 11,
    held: [{ id: 5, leftMs: 1 }, { id: 6, leftMs: 1 }],
  };
  assert.deepEqual(parse(formatWorkers([worker, { ...worker, watched: [], held: [] }])), [{
    worker: 12,
    address: "127.0.0.1:40312",
    port: "beanstalk",
    age: 90,
    quiet: true,
    waiting: false,
    "current-watching": 2,
    tubes: ["default", "mail"],
    "current-jobs-reserved": 11,
    busy: 2,
    jobs: [5, 6],
  }, {
    worker: 12,
    address: "127.0.0.1:40312",
    port: "beanstalk",
    age: 90,
    quiet: true,
    waiting: false,
    "current-watching": 2,
    tubes: [],
    "current-jobs-reserved": 11,
    busy: 2,
    jobs: [],
  }]);
});
