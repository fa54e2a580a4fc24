import assert from "node:assert/strict";
import { delay } from "@std/async/delay";
import { meshActions } from "../../../lib/mesh/actions.ts";
import { createLog } from "../../../lib/log.ts";
import { DecisionLog } from "../../../lib/mesh/node/decision_log.ts";
import { controlHello } from "../../../lib/mesh/node/control_hello.ts";
import { HELLO, MESH_VERSION } from "../../../lib/mesh/link/hello.ts";
import { CoordinatorNode } from "../../../lib/mesh/node/coordinator_node.ts";
import { JobLog } from "../../../lib/mesh/node/job_log.ts";
import { MemberNode } from "../../../lib/mesh/node/member_node.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { parseAddress } from "../../../lib/net/address.ts";
import { Connection } from "../../../lib/net/connection.ts";
import { LineReader } from "../../../lib/net/line_reader.ts";
import { pipe, type Socket } from "../../../lib/net/pipe.ts";
import { ReadBuffer } from "../../../lib/net/read_buffer.ts";
import { until, within } from "../../support/within.ts";
import { generated } from "../support/nodes.ts";

const WAIT_MS = 60_000;

/** A socket whose writes take a while, as they do over TLS. */
function slow(socket: Socket): Socket {
  return {
    ...socket,
    write: async (bytes) => {
      await delay(50);
      return await socket.write(bytes);
    },
  };
}

/** Options for a node whose directory holds a file "in", and the lines that it logs. */
async function makeOptions(node: number, addresses: string[]) {
  const directory = await Deno.makeTempDir({ prefix: "quartet-mesh-" });
  await Deno.writeFile(`${directory}/in`, generated(1000));
  const log: string[] = [];
  const options = {
    node,
    addresses: addresses.map(parseAddress),
    directory,
    spillDir: directory,
    partition: "sample" as const,
    memoryBytes: 64 * 1024 * 1024,
    maxLineBytes: 1024 * 1024,
    workers: 1,
    dialTimeoutMs: 10_000,
    stallTimeoutMs: 10_000,
    doubts: [],
    maxQueue: 10,
    log: createLog("mesh", {
      level: "info",
      format: "text",
      sink: (lines) => void log.push(new TextDecoder().decode(lines)),
    }),
  };
  const remove = () => Deno.remove(directory, { recursive: true });
  return { options, log, directory, [Symbol.asyncDispose]: remove };
}

Deno.test("CoordinatorNode.drain() waits for the running job and starts no waiting one", async () => {
  await using made = await makeOptions(0, []);
  const { options, log, directory } = made;
  const decisions = await DecisionLog.open(directory);
  const kept = await JobLog.open(`${directory}/jobs.log`, options.log);
  const meshNode = new CoordinatorNode({ ...options, decisions, ...kept });
  for (const output of ["first", "second", "third"]) {
    const reply = await meshNode.submit({ input: "in", output, format: DEFAULT_RECORD_FORMAT });
    assert.match(reply, /^OK/);
  }
  await meshNode.drain(new AbortController().signal);
  // A second job would have started by now.
  await delay(50);
  assert.deepEqual(meshNode.status.jobs.map(({ state }) => state), ["done", "waiting", "waiting"]);
  assert.equal(log.join("").match(/Job started/g)?.length, 1);
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["first", "in", "jobs.log", "mesh-id"]);
});

Deno.test("CoordinatorNode.setLimits() is for the jobs to come, and keeps those that wait", async () => {
  await using made = await makeOptions(0, ["127.0.0.1:1", "127.0.0.1:2"]);
  const { options, directory } = made;
  const decisions = await DecisionLog.open(directory);
  const kept = await JobLog.open(`${directory}/jobs.log`, options.log);
  const patient = { ...options, dialTimeoutMs: 600_000, maxQueue: 2 };
  const meshNode = new CoordinatorNode({ ...patient, decisions, ...kept });
  const submit = (output: string) =>
    meshNode.submit({ input: "in", output, format: DEFAULT_RECORD_FORMAT });
  for (const output of ["first", "second", "third"]) assert.match(await submit(output), /^OK/);
  meshNode.setLimits({ ...options, dialTimeoutMs: 1000, maxQueue: 1 });
  assert.equal(await submit("fourth"), "ERR 2 jobs are waiting already");
  const states = () => meshNode.status.jobs.map(({ state }) => state);
  assert.deepEqual(states(), ["running", "waiting", "waiting"]);
  // The first one would wait for the other node for ten minutes.
  await meshNode.cancel(1);
  await until("the second has failed", () => states()[1] === "failed");
  assert.match(meshNode.status.jobs[1]!.result, /Cannot connect within 1 s/);
  await meshNode.drain(AbortSignal.abort());
});

Deno.test("MemberNode.drain() tells node 0 how the last job ended", async () => {
  await using made = await makeOptions(1, ["127.0.0.1:1", "127.0.0.1:2"]);
  const node = new MemberNode(made.options);
  const [ours, theirs] = pipe();
  const called = new Connection(slow(theirs), 1, "node 0");
  const caller = new Connection(ours, 1, "node 1");
  const hello = {
    ...{ version: MESH_VERSION, job: "control", node: 0, to: 1, nodes: 2 },
    ...{ format: DEFAULT_RECORD_FORMAT, partition: "sample" },
  };
  const buffer = new ReadBuffer({ maxBytes: 4096 });
  const serving = node.serveControl(called, JSON.stringify(hello), buffer);
  const lines = new LineReader(caller, { maxLineBytes: 10_000 });
  const line = async () => {
    const bytes = await within(WAIT_MS, "a line from the node", lines.readLine());
    return bytes && new TextDecoder().decode(bytes);
  };
  assert.ok((await line())?.startsWith(HELLO.OK));
  // This job fails on its own, without node 0.
  const names = { input: "../in", output: "out" };
  const order = { key: "k", id: 1, ...names, format: DEFAULT_RECORD_FORMAT };
  const start = JSON.stringify({ kind: "start", order });
  await caller.write(new TextEncoder().encode(`${start}\n`));
  await delay(0);
  await node.drain(new AbortController().signal);
  assert.match(
    await line() ?? "nothing",
    /"kind":"ended","key":"k".*"failure":"node 1: Cannot use/,
  );
  caller.close();
  await serving;
});

Deno.test("MemberNode: a call that node 0 has given up does not replace the control link", async () => {
  await using made = await makeOptions(1, ["127.0.0.1:1", "127.0.0.1:2"]);
  const node = new MemberNode(made.options);
  const hello = JSON.stringify(controlHello({ ...made.options, node: 0 }, 1));
  const call = () => {
    const [ours, theirs] = pipe();
    const called = new Connection(theirs, 1, "node 0");
    const served = node.serveControl(called, hello, new ReadBuffer({ maxBytes: 4096 }));
    return { ours, called, served };
  };
  const given = call();
  const link = call();
  await link.ours.write(new TextEncoder().encode('{"kind":"ping"}\n'));
  await until("the link is there", () => node.problems().length === 0);
  given.ours.close();
  await within(WAIT_MS, "the end of the call", given.served);
  const last = call();
  last.ours.close();
  await within(WAIT_MS, "the end of another call", last.served.catch(() => {}));
  assert.deepEqual(node.problems(), []);
  assert.equal(link.called.closed, false);
  link.ours.close();
  await within(WAIT_MS, "the end of the link", link.served);
  assert.match(node.problems().join(), /^node 0 .* is not connected$/);
});

Deno.test("CoordinatorNode: a committed job is done, even if its output gets its name only later", async () => {
  await using made = await makeOptions(0, []);
  const { options, directory } = made;
  const output = `${await Deno.realPath(directory)}/out`;
  const decisions = await DecisionLog.open(directory);
  const record = decisions.record.bind(decisions);
  decisions.record = async (...decision) => {
    await record(...decision);
    await Deno.mkdir(output);
  };
  const kept = await JobLog.open(`${directory}/jobs.log`, options.log);
  const node = new CoordinatorNode({ ...options, decisions, ...kept });
  try {
    await node.submit({ input: "in", output: "out", format: DEFAULT_RECORD_FORMAT });
    await until("it has ended", () => node.status.jobs[0]!.state === "done", WAIT_MS);
    assert.match(node.status.jobs[0]!.result, /^records=1000, not finished yet: .*directory/);
    await until("it was tried", () => /directory/.test(node.notices().join()), WAIT_MS);
    assert.equal(decisions.committed().length, 1);
    await Deno.remove(output);
    await until("it is finished", () => decisions.committed().length === 0, WAIT_MS);
    assert.equal((await Deno.stat(output)).size, 100_000);
    assert.deepEqual(node.notices(), []);
  } finally {
    await node.drain(new AbortController().signal);
  }
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["in", "jobs.log", "mesh-id", "out"]);
});

Deno.test("meshActions() passes commands on, and the refusals of the mesh as errors", async () => {
  const actions = meshActions({
    cancel: (job) => Promise.resolve(job === 3 ? "OK job 3" : "ERR node 0 is not connected"),
    retry: (job) => job === 3 ? "OK job 7" : `ERR there is no job ${job}`,
  });
  assert.equal(await actions["cancel"]!({ job: 3 }), "Job 3 is being cancelled.");
  assert.equal(await actions["retry"]!({ job: 3 }), "Job 3 is queued again as job 7.");
  await assert.rejects(actions["cancel"]!({ job: 4 }), /^Error: Node 0 is not connected\.$/);
  await assert.rejects(actions["retry"]!({ job: 4 }), /^Error: There is no job 4\.$/);
  for (const job of [undefined, 0, 1.5, "3"]) {
    await assert.rejects(actions["cancel"]!({ job }), /^RangeError: "job" must be a whole number/);
    await assert.rejects(actions["retry"]!({ job }), RangeError);
  }
});
