import assert from "node:assert/strict";
import type postgres from "postgres";
import { CommitCounter } from "../../../lib/storage/commit_metrics.ts";
import { storageUnavailable, StorageUnavailableError } from "../../../lib/storage/store.ts";
import { type JobWrite, JobWrites } from "../../../lib/task/postgres/job_writes.ts";
import { spec } from "../suite_support.ts";

/** Writes to a database whose answers are given; an error is thrown. */
function start(...answers: (object[] | Error)[]) {
  const statements: string[] = [];
  const sql = {
    unsafe: (statement: string) => {
      statements.push(statement);
      const answer = answers.shift()!;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  } as unknown as postgres.Sql;
  const commits = new CommitCounter();
  const writes = new JobWrites({ daemon: 1, run: (work) => work(sql), commits });
  return { writes, statements, commits };
}

function put(body: string) {
  const { promise, resolve, reject } = Promise.withResolvers<number[]>();
  const request = { tube: "default", specs: [spec(body)], done: resolve, fail: reject };
  promise.catch(() => {});
  return { write: { kind: "put", request } satisfies JobWrite, promise };
}

function remove(id: number) {
  const { promise, resolve, reject } = Promise.withResolvers<string | null>();
  promise.catch(() => {});
  const request = { id, client: 1, done: resolve, fail: reject };
  return { write: { kind: "delete", request } satisfies JobWrite, promise };
}

function refusal(message: string): Error {
  const error = new Error(message);
  error.name = "PostgresError";
  return error;
}

Deno.test("JobWrites: answers puts in their order and deletes by id, from one statement", async () => {
  const { writes, statements, commits } = start([
    { id: 12, tube: null },
    { id: 7, tube: "a" },
    { id: 11, tube: null },
  ]);
  const all = [put("x"), remove(7), remove(7), put("y"), remove(8)];
  await writes.execute(all.map(({ write }) => write));
  assert.deepEqual(await Promise.all(all.map(({ promise }) => promise as Promise<unknown>)), [
    [11],
    "a",
    null,
    [12],
    null,
  ]);
  assert.equal(statements.length, 1);
  assert.equal(commits.metrics().committedWrites, 3);
});

Deno.test("JobWrites: tries puts and deletes apart only if the statement was refused", async () => {
  const { writes, statements } = start(refusal("refused"), refusal("full"), [{ id: 7, tube: "a" }]);
  const [p, d] = [put("x"), remove(7)];
  await writes.execute([p.write, d.write]);
  await assert.rejects(p.promise, StorageUnavailableError);
  assert.equal(await d.promise, "a");
  assert.equal(statements.length, 3);
});

Deno.test("JobWrites: sends nothing twice if the outcome is unknown", async () => {
  const { writes, statements, commits } = start(storageUnavailable("lost"));
  const all = [put("x"), remove(7)];
  await writes.execute(all.map(({ write }) => write));
  for (const { promise } of all) await assert.rejects(promise, StorageUnavailableError);
  assert.equal(statements.length, 1);
  assert.equal(commits.metrics().commitFailures, 1);
});
