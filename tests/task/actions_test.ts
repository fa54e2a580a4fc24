import assert from "node:assert/strict";
import { taskActions } from "../../lib/task/actions.ts";
import { MemoryQueue } from "../../lib/task/memory/queue.ts";
import { put, reserve, spec } from "./queue_suite.ts";
import { ManualClock, queueOptions } from "./support.ts";

function start() {
  const queue = new MemoryQueue(new ManualClock(), queueOptions({}));
  const client = queue.connect();
  client.use("mail");
  client.watch("mail");
  const { kick, bury, delete: remove, cancel, release, quiet, resume } = taskActions(queue);
  const stateOf = async (id: number) => (await client.statsJob(id))?.state;
  const jobActions = {
    kick: kick!,
    bury: bury!,
    remove: remove!,
    cancel: cancel!,
    release: release!,
  };
  return { queue, client, stateOf, ...jobActions, quiet: quiet!, resume: resume! };
}

Deno.test("taskActions(): bury takes the id of a job, or the next job of a tube", async () => {
  const { client, bury, stateOf } = start();
  const first = await put(client, spec("a"));
  const second = await put(client, spec("b"));
  assert.equal(await bury({ job: second }), `Job ${second} was buried in mail.`);
  assert.deepEqual([await stateOf(first), await stateOf(second)], ["ready", "buried"]);
  assert.equal(await bury({ tube: "mail" }), `Job ${first} was buried in mail.`);
  assert.equal(await stateOf(first), "buried");
  assert.equal((await client.statsJob(first))!.reason, "buried by hand");
  await assert.rejects(bury({ tube: "mail" }), { message: "There is no ready job in mail." });
});

Deno.test("taskActions(): kick takes the id of a job, or several jobs of a tube", async () => {
  const { client, kick, bury, stateOf } = start();
  const ids = [await put(client, spec("a")), await put(client, spec("b"))];
  for (const job of ids) await bury({ job });
  assert.equal(await kick({ job: ids[1] }), `Job ${ids[1]} was kicked.`);
  assert.deepEqual(await Promise.all(ids.map(stateOf)), ["buried", "ready"]);
  assert.equal(await kick({ tube: "mail", count: 10 }), "1 job was kicked in mail.");
  assert.equal(await stateOf(ids[0]!), "ready");
});

Deno.test("taskActions(): say why an action is impossible", async () => {
  const { client, kick, bury } = start();
  const id = await put(client, spec("a"));
  await reserve(client);
  await assert.rejects(bury({ job: id }), /cannot be buried now: a worker has it/);
  const held = await client.putJob(spec("b", { options: { after: [id] } })) as { id: number };
  await assert.rejects(bury({ job: held.id }), {
    message: `Job ${held.id} cannot be buried now: it is held.`,
  });
  await assert.rejects(bury({ job: 999 }), { message: "There is no job 999." });
  await assert.rejects(kick({ job: id }), /no buried or delayed job 1/);
  await assert.rejects(kick({ tube: "none", count: 1 }), {
    name: "RangeError",
    message: 'There is no tube "none".',
  });
  for (const fields of [{}, { tube: "mail" }, { tube: 5, count: 1 }, { job: "1" }, { job: -1 }]) {
    await assert.rejects(kick(fields), RangeError);
  }
  await assert.rejects(kick({ tube: "mail", count: 10_001 }), RangeError);
});

Deno.test("taskActions(): asking for a tube does not create it", async () => {
  const { client, kick } = start();
  await assert.rejects(kick({ tube: "none", count: 1 }));
  assert.ok(!(await client.listTubes()).includes("none"));
});

Deno.test("taskActions(): delete takes the id of a job that no worker has", async () => {
  const { client, remove, stateOf } = start();
  const [first, second] = [await put(client, spec("a")), await put(client, spec("b"))];
  await reserve(client);
  await assert.rejects(remove({ job: first }), {
    message: `Job ${first} cannot be deleted now: a worker has it.`,
  });
  assert.equal(await remove({ job: second }), `Job ${second} was deleted.`);
  assert.deepEqual([await stateOf(first), await stateOf(second)], ["reserved", undefined]);
  await assert.rejects(remove({ job: second }), { message: `There is no job ${second}.` });
  await assert.rejects(remove({}), RangeError);
});

Deno.test("taskActions(): quiet and resume take the number of a worker", async () => {
  const { queue, quiet, resume } = start();
  const worker = queue.connect({ address: "127.0.0.1:1", port: "push" });
  await worker.reserve(0);
  assert.equal(await quiet({ worker: 1 }), "Worker 1 finishes its jobs and gets no new ones.");
  assert.equal(queue.workers.list(0, 1)[0]!.quiet, true);
  assert.equal(await resume({ worker: 1 }), "Worker 1 gets jobs again.");
  assert.equal(queue.workers.list(0, 1)[0]!.quiet, false);
  await assert.rejects(quiet({ worker: 2 }), { message: "There is no worker 2." });
  await assert.rejects(async () => await quiet({ worker: "1" }), RangeError);
});

Deno.test("taskActions(): cancel takes a job from its worker, release a job that is held", async () => {
  const { client, cancel, release, stateOf } = start();
  const first = await put(client, spec("a"));
  const held = await client.putJob(spec("b", { options: { after: [first] } }));
  assert(typeof held === "object");
  await assert.rejects(release({ job: first }), { message: `There is no held job ${first}.` });
  await reserve(client);
  assert.equal(await cancel({ job: first }), `Job ${first} was cancelled.`);
  assert.deepEqual(await client.result(first), { state: "cancelled", body: "" });
  assert.equal(await client.touch(first), false);
  await assert.rejects(cancel({ job: first }), { message: `There is no job ${first}.` });
  assert.equal(await release({ job: held.id }), `Job ${held.id} was released.`);
  assert.equal(await stateOf(held.id), "ready");
});

Deno.test("taskActions(): flush deletes the jobs of a tube in one state, move moves jobs", async () => {
  const { queue, client, stateOf } = start();
  const { flush, move } = taskActions(queue) as Required<ReturnType<typeof taskActions>>;
  const first = await put(client, spec("a"));
  const second = await put(client, spec("b"));
  await put(client, spec("c", { delayMs: 60_000 }));
  assert.equal(await move!({ job: first, to: "other" }), `Job ${first} was moved to other.`);
  assert.equal((await client.statsJob(first))!.tube, "other");
  assert.equal(await flush!({ tube: "mail", state: "ready" }), "1 job was deleted from mail.");
  assert.equal(await stateOf(second), undefined);
  assert.equal(await move!({ tube: "mail", to: "other" }), "1 job was moved from mail to other.");
  assert.equal(await move!({ tube: "mail", to: "other" }), "0 jobs were moved from mail to other.");
  await assert.rejects(move!({ job: second, to: "other" }), /cannot be moved: a worker has it, or/);
  for (const to of [undefined, "", "-a", "a b", 5]) {
    await assert.rejects(move!({ job: first, to }), RangeError);
  }
  for (
    const fields of [{ tube: "mail" }, { tube: "mail", state: "reserved" }, { state: "ready" }]
  ) {
    await assert.rejects(flush!(fields), RangeError);
  }
  await assert.rejects(flush!({ tube: "none", state: "ready" }), /There is no tube "none"/);
});
