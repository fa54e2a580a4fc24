import assert from "node:assert/strict";
import { ControlLink } from "../../../lib/mesh/node/control_link.ts";
import { Connection } from "../../../lib/net/connection.ts";
import { parseAddress } from "../../../lib/net/address.ts";
import { pipe } from "../../../lib/net/pipe.ts";
import { ReadBuffer } from "../../../lib/net/read_buffer.ts";
import { controlHello } from "../../../lib/mesh/node/control_hello.ts";
import { MemberNode } from "../../../lib/mesh/node/member_node.ts";
import { TestLog } from "../../support/log.ts";
import { until, within } from "../../support/within.ts";

const WAIT_MS = 60_000;
/** Long enough to read what has arrived. */
const READ_MS = 20;

Deno.test("ControlLink: a pause of this process is not taken for silence of the other side", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const connection = new Connection(await listener.accept(), 1, "peer");
  const stallTimeoutMs = 600;
  const link = new ControlLink({ node: 1, connection, input: connection, stallTimeoutMs });
  const ended = link.listen(() => {}).then(() => "ended");
  // Two long pauses, and then more short ones than there are checks in the timeout.
  // Each is longer than the time between two checks.
  for (const pauseMs of [2 * stallTimeoutMs, 2 * stallTimeoutMs, ...Array(8).fill(150)]) {
    await peer.write(new TextEncoder().encode('{"kind":"ping"}\n'));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
    const next = Promise.withResolvers<string>();
    setTimeout(() => next.resolve("goes on"), READ_MS);
    assert.equal(await Promise.race([ended, next.promise]), "goes on");
  }
  assert.equal(await within(WAIT_MS, "the end of a silent link", ended), "ended");
});

Deno.test("MemberNode: a call that node 0 has given up does not replace the control link", async () => {
  const options = {
    node: 1,
    addresses: ["127.0.0.1:1", "127.0.0.1:2"].map(parseAddress),
    directory: "none",
    spillDir: "none",
    partition: "sample" as const,
    memoryBytes: 64 * 1024 * 1024,
    maxLineBytes: 1024 * 1024,
    workers: 1,
    dialTimeoutMs: WAIT_MS,
    stallTimeoutMs: WAIT_MS,
    doubts: [],
    maxQueue: 10,
    log: new TestLog().log,
  };
  const node = new MemberNode(options);
  const hello = JSON.stringify(controlHello({ ...options, node: 0 }, 1));
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
