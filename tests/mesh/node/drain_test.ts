import assert from "node:assert/strict";
import { delay } from "@std/async/delay";
import { createLog } from "../../../lib/log.ts";
import { DecisionLog } from "../../../lib/mesh/node/decision_log.ts";
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
import { within } from "../../support/within.ts";
import { generated } from "../support/nodes.ts";

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
    const bytes = await within(60_000, "a line from the node", lines.readLine());
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
