import assert from "node:assert/strict";
import { delay } from "@std/async/delay";
import { createLog } from "../../../lib/log.ts";
import { HELLO, MESH_VERSION } from "../../../lib/mesh/link/hello.ts";
import { MeshNode } from "../../../lib/mesh/node/mesh_node.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { parseAddress } from "../../../lib/net/address.ts";
import { Connection } from "../../../lib/net/connection.ts";
import { LineReader } from "../../../lib/net/line_reader.ts";
import { pipe, type Socket } from "../../../lib/net/pipe.ts";
import { within } from "../../support/within.ts";
import { generated } from "../support/nodes.ts";

/** A socket that takes its time over what is written, as one over TLS does. */
function slow(socket: Socket): Socket {
  return {
    ...socket,
    write: async (bytes) => {
      await delay(50);
      return await socket.write(bytes);
    },
  };
}

/** A node of two, or alone, on a directory with a file "in", and what it logs. */
async function makeNode(node: number, addresses: string[]) {
  const directory = await Deno.makeTempDir({ prefix: "quartet-mesh-" });
  await Deno.writeFile(`${directory}/in`, generated(1000));
  const log: string[] = [];
  const meshNode = new MeshNode({
    node,
    addresses: addresses.map(parseAddress),
    directory,
    spillDir: directory,
    partition: "sample",
    memoryBytes: 64 * 1024 * 1024,
    workers: 1,
    dialTimeoutMs: 10_000,
    stallTimeoutMs: 10_000,
    maxQueue: 10,
    log: createLog("mesh", {
      level: "info",
      format: "text",
      sink: (lines) => void log.push(new TextDecoder().decode(lines)),
    }),
  });
  const remove = () => Deno.remove(directory, { recursive: true });
  return { meshNode, log, directory, [Symbol.asyncDispose]: remove };
}

Deno.test("MeshNode.drain() waits for the job that runs, and starts none that waits", async () => {
  await using made = await makeNode(0, []);
  const { meshNode, log, directory } = made;
  for (const output of ["first", "second", "third"]) {
    const [reply] = await meshNode.command({
      word: "SORT",
      input: "in",
      output,
      format: DEFAULT_RECORD_FORMAT,
    });
    assert.match(reply!, /^OK/);
  }
  await meshNode.drain(new AbortController().signal);
  // It would have begun by now.
  await delay(50);
  assert.deepEqual(meshNode.status.jobs.map(({ state }) => state), ["done", "waiting", "waiting"]);
  assert.equal(log.join("").match(/Job started/g)?.length, 1);
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["first", "in"]);
});

Deno.test("MeshNode.drain() lets node 0 know how the last job has ended", async () => {
  await using made = await makeNode(1, ["127.0.0.1:1", "127.0.0.1:2"]);
  const { meshNode: node } = made;
  const [ours, theirs] = pipe();
  const called = new Connection(slow(theirs), 1, "node 0");
  const caller = new Connection(ours, 1, "node 1");
  const hello = {
    ...{ version: MESH_VERSION, job: "control", node: 0, to: 1, nodes: 2 },
    ...{ format: DEFAULT_RECORD_FORMAT, partition: "sample" },
  };
  const serving = node.serveControl(called, JSON.stringify(hello), called);
  const lines = new LineReader(caller, { maxLineBytes: 10_000 });
  const line = async () => {
    const bytes = await within(5000, "a line from the node", lines.readLine());
    return bytes && new TextDecoder().decode(bytes);
  };
  assert.ok((await line())?.startsWith(HELLO.OK));
  // A job that fails by itself, without node 0.
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
