import assert from "node:assert/strict";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { decodeKeyList } from "../../../lib/mesh/sort/key_list.ts";
import { SortEndedError } from "../../../lib/mesh/sort/sort_ended.ts";
import { SortThread } from "../../../lib/mesh/sort/sort_pool.ts";
import { WorkerStarter } from "../../../lib/mesh/sort/worker_starter.ts";
import { makeTempDirectory } from "../../support/temp_directory.ts";
import { within } from "../../support/within.ts";
import { generated, wholeFile } from "../support/nodes.ts";

const WAIT_MS = 60_000;
const RECORDS = 10;

/** Forbids all threads but a starter's own to create workers, until the end of the scope. */
function forbidWorkers(): Disposable {
  const { Worker } = globalThis;
  globalThis.Worker = class {
    constructor() {
      throw new Error("A worker was started on this thread");
    }
  } as unknown as typeof Worker;
  return { [Symbol.dispose]: () => void (globalThis.Worker = Worker) };
}

Deno.test("WorkerStarter: threads of a sort run, end, and are not started on this thread", async () => {
  await using directory = await makeTempDirectory();
  const path = `${directory.path}/in`;
  await Deno.writeFile(path, generated(RECORDS));
  using starter = new WorkerStarter();
  using _ = forbidWorkers();
  const start = (name: string, module: string) => starter.start(name, module);
  const threads = [0, 1].map(() => (
    new SortThread(new SharedArrayBuffer(0), DEFAULT_RECORD_FORMAT, start)
  ));
  const task = {
    kind: "sample-files",
    files: [wholeFile(path, RECORDS * 100)],
    node: 0,
    keys: 100,
  } as const;
  for (const thread of threads) {
    const keys = await within(WAIT_MS, "a sample", thread.sample(task));
    assert.equal(decodeKeyList(keys).length, RECORDS);
  }
  threads[0]!.end();
  await assert.rejects(threads[0]!.sample(task), SortEndedError);
  const keys = await within(WAIT_MS, "a sample of the other thread", threads[1]!.sample(task));
  assert.equal(decodeKeyList(keys).length, RECORDS);
});

Deno.test("WorkerStarter: an error that ends a worker fails what waits for it", async () => {
  using starter = new WorkerStarter();
  const start = (name: string) => starter.start(name, "mesh/sort/no_such_module.ts");
  const thread = new SortThread(new SharedArrayBuffer(0), DEFAULT_RECORD_FORMAT, start);
  const task = { kind: "sample-files", files: [wholeFile("in", 100)], node: 0, keys: 100 } as const;
  await assert.rejects(
    within(WAIT_MS, "the failure", thread.sample(task)),
    /^Error: Cannot go on sorting: .*no_such_module/,
  );
  thread.end();
});
