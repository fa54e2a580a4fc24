import assert from "node:assert/strict";
import { PeerGroup, type PeerGroupOptions } from "../../../lib/mesh/job/peer_group.ts";
import { decodeAbort, FRAME } from "../../../lib/mesh/link/frame.ts";
import { SortFailedError } from "../../../lib/mesh/link/sort_failure.ts";
import { SortEndedError } from "../../../lib/mesh/sort/sort_ended.ts";
import { within } from "../../support/within.ts";
import { linkPair } from "../support/pipe_links.ts";

const WAIT_MS = 60_000;

/** A group of node `node` with peers 0 to 2 but itself, whose ends the test holds. */
function makeGroup(node: number, options: Partial<PeerGroupOptions> = {}) {
  const pairs = [0, 1, 2].filter((other) => other !== node).map((other) => linkPair(node, other));
  const failures: SortFailedError[] = [];
  const group = new PeerGroup({
    node,
    links: pairs.map(({ here }) => here),
    phase: () => "shuffle",
    onFailure: (error) => failures.push(error),
    onData: () => Promise.resolve(),
    onEnd: () => {},
    ...options,
  });
  const listening = group.listen();
  const there = new Map(pairs.map(({ here, there }) => [here.node, there]));
  return {
    group,
    failures,
    listening,
    /** The other end of the link to a peer. */
    end: (peer: number) => there.get(peer)!,
    [Symbol.asyncDispose]: async () => {
      group.end();
      group.close();
      for (const link of there.values()) link.close();
      await within(WAIT_MS, "the readers", listening);
    },
  };
}

Deno.test("PeerGroup.collect() returns frames when enough nodes have sent one, before or after", async () => {
  await using made = makeGroup(0);
  const { group, end } = made;
  await end(1).send(FRAME.SAMPLE, Uint8Array.of(1));
  const both = group.collect(FRAME.SAMPLE, 2);
  const other = group.collect(FRAME.DONE, 1);
  await end(2).send(FRAME.SAMPLE, Uint8Array.of(2));
  const frames = await within(WAIT_MS, "both samples", both);
  const found = frames.map(({ from, frame }) => [from, ...frame.payload]);
  assert.deepEqual(found.sort(), [[1, 1], [2, 2]]);
  await end(2).send(FRAME.DONE);
  assert.equal((await within(WAIT_MS, "the other frame", other))[0]!.from, 2);
  assert.equal((await within(WAIT_MS, "what is there", group.collect(FRAME.SAMPLE, 2))).length, 2);
});

Deno.test("PeerGroup.end() rejects what waits for a frame, and what comes to wait", async () => {
  await using made = makeGroup(0);
  const { group } = made;
  const waits = [group.collect(FRAME.SAMPLE, 2), group.collect(FRAME.DONE, 1)];
  group.end();
  for (const wait of [...waits, group.collect(FRAME.SAMPLE, 0)]) {
    await assert.rejects(within(WAIT_MS, "the rejection", wait), SortEndedError);
  }
  await assert.rejects(group.send(1, FRAME.COMMIT), SortEndedError);
});

Deno.test("PeerGroup: a write to a peer that is gone throws what its reader has found", async () => {
  await using made = makeGroup(0);
  const { group, end, failures, listening } = made;
  end(1).close();
  const sending = group.send(1, FRAME.PLAN);
  await assert.rejects(within(WAIT_MS, "the failure", sending), (error) => {
    assert.ok(error instanceof SortFailedError);
    assert.equal(error.message, "node 1 closed the connection during shuffle");
    assert.equal(error.node, 1);
    assert.deepEqual(failures, [error]);
    return true;
  });
  end(2).close();
  await within(WAIT_MS, "the readers", listening);
});

Deno.test("PeerGroup: a peer that has said everything may leave, and misses nothing", async () => {
  await using made = makeGroup(0);
  const { group, end, failures } = made;
  for (const peer of [1, 2]) await end(peer).send(FRAME.DONE);
  await within(WAIT_MS, "both", group.collect(FRAME.DONE, 2));
  end(1).close();
  await within(WAIT_MS, "the reader of node 1", group.peer(1).ended);
  await within(WAIT_MS, "the write", group.sendAll(FRAME.FINISH));
  assert.equal((await within(WAIT_MS, "a frame", end(2).receive()))!.type, FRAME.FINISH);
  assert.deepEqual(failures, []);
});

for (
  const [node, from, type] of [[1, 2, FRAME.COMMIT], [1, 2, FRAME.DONE], [
    0,
    1,
    FRAME.PLAN,
  ]] as const
) {
  Deno.test(`PeerGroup: node ${node} refuses a frame of type ${type} from node ${from}`, async () => {
    await using made = makeGroup(node);
    await made.end(from).send(type);
    await within(WAIT_MS, "the reader", made.group.peer(from).ended);
    assert.match(made.failures[0]!.message, /^node 2|^node 1/);
    assert.match(made.failures[0]!.message, /sent a frame of type \d, which is out of place/);
  });
}

Deno.test("PeerGroup: a second frame of a type is refused", async () => {
  await using made = makeGroup(0);
  for (let i = 0; i < 2; i++) await made.end(1).send(FRAME.SAMPLE);
  await within(WAIT_MS, "the reader", made.group.peer(1).ended);
  assert.equal(made.failures[0]!.message, "node 1: sent a second frame of type 1 during shuffle");
});

Deno.test("PeerGroup: the next data frame is read when the one before is stored", async () => {
  const stored: number[] = [];
  let store: (() => void) | undefined;
  const arrived = Promise.withResolvers<void>();
  await using made = makeGroup(0, {
    onData: (_, payload) => {
      stored.push(payload[0]!);
      arrived.resolve();
      return new Promise((resolve) => store = resolve);
    },
  });
  const { group, end } = made;
  for (const byte of [7, 8]) await end(1).send(FRAME.DATA, Uint8Array.of(byte));
  await end(1).send(FRAME.SAMPLE);
  await within(WAIT_MS, "the first", arrived.promise);
  // Another peer is not held up, and by then a second frame would have been passed on.
  await end(2).send(FRAME.SAMPLE);
  await within(WAIT_MS, "the sample of another", group.collect(FRAME.SAMPLE, 1));
  assert.deepEqual(stored, [7]);
  store!();
  while (stored.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  store!();
  await within(WAIT_MS, "both samples", group.collect(FRAME.SAMPLE, 2));
  assert.deepEqual(stored, [7, 8]);
});

Deno.test("PeerGroup: the reason of a failure goes to all peers, and from a peer to the job", async () => {
  await using made = makeGroup(0);
  const reason = { node: 2, reason: "node 2: it is full" };
  await within(WAIT_MS, "the abort", made.group.abort(new SortFailedError(reason)));
  for (const peer of [1, 2]) {
    const frame = await within(WAIT_MS, "the frame", made.end(peer).receive());
    assert.deepEqual(decodeAbort(frame!.payload), reason);
  }
  await using other = makeGroup(1);
  const text = new TextEncoder().encode(JSON.stringify(reason));
  await other.end(0).send(FRAME.ABORT, text);
  await within(WAIT_MS, "the reader", other.group.peer(0).ended);
  assert.deepEqual(other.failures.map(({ node, message }) => [node, message]), [
    [2, "node 2: it is full"],
  ]);
});
