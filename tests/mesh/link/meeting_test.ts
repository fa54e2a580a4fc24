import assert from "node:assert/strict";
import {
  decodeAbort,
  decodeFrame,
  encodeFrame,
  FRAME,
  type Frame,
} from "../../../lib/mesh/link/frame.ts";
import { readFirstLine } from "../../../lib/mesh/link/first_line.ts";
import { MESH_VERSION } from "../../../lib/mesh/link/hello.ts";
import { Meeting } from "../../../lib/mesh/link/meeting.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { SortFailedError } from "../../../lib/mesh/link/sort_failure.ts";
import { parseAddress } from "../../../lib/net/address.ts";
import { Connection } from "../../../lib/net/connection.ts";
import { pipe } from "../../../lib/net/pipe.ts";
import { ReadBuffer } from "../../../lib/net/read_buffer.ts";
import { within } from "../../support/within.ts";

const WAIT_MS = 60_000;

const hello = {
  version: MESH_VERSION,
  job: "some-job",
  nodes: 2,
  format: DEFAULT_RECORD_FORMAT,
  partition: "sample",
} as const;

/** A meeting of node 1, which node 0 calls. */
function calledMeeting(stallTimeoutMs = WAIT_MS): Meeting {
  return new Meeting({
    addresses: ["127.0.0.1:1", "127.0.0.1:2"].map(parseAddress),
    hello: { ...hello, node: 1 },
    dialTimeoutMs: WAIT_MS,
    stallTimeoutMs,
  });
}

/** Calls it as node 0; the connection is the caller's end. */
function call(meeting: Meeting) {
  const [ours, theirs] = pipe();
  const called = new Connection(theirs, 0, "node 0");
  const buffer = new ReadBuffer({ maxBytes: 4096 });
  const admitted = meeting.admit(called, { ...hello, node: 0, to: 1 }, buffer);
  return { connection: new Connection(ours, 1, "node 1"), called, admitted };
}

/** The answer to a call. */
async function answer(connection: Connection): Promise<string> {
  const first = await within(WAIT_MS, "an answer", readFirstLine(connection));
  return first?.line ?? "";
}

const failure = new SortFailedError({ node: 1, reason: "its disk is full" });

Deno.test("Meeting: a caller that has given up is forgotten, and its next call is accepted", async () => {
  const meeting = calledMeeting();
  const early = call(meeting);
  early.connection.close();
  // A busy node may read the hello of a call only after the caller has given up.
  await within(WAIT_MS, "the end of the first call", early.admitted.catch(() => {}));
  // And this caller gives up between the answer and its confirmation.
  const late = call(meeting);
  assert.match(await answer(late.connection), /^OK /);
  assert.deepEqual(meeting.missing, [0]);
  const next = call(meeting);
  assert.match(await answer(next.connection), /^OK /);
  late.connection.close();
  await within(WAIT_MS, "the end of the second call", late.admitted);
  await next.connection.write(encodeFrame(FRAME.PING));
  const links = await within(WAIT_MS, "the links", meeting.links);
  assert.deepEqual(links.map((link) => link.connection === next.called), [true]);
  links[0]!.close();
  await next.admitted;
});

Deno.test("Meeting: a caller that does not confirm is cut off after the stall timeout", async () => {
  const meeting = calledMeeting(100);
  const silent = call(meeting);
  assert.match(await answer(silent.connection), /^OK /);
  await within(WAIT_MS, "the end of the call", silent.admitted);
  assert.equal(silent.called.closed, true);
  assert.deepEqual(meeting.missing, [0]);
  meeting.fail(failure);
});

Deno.test("Meeting: a caller that confirms after the end hears why", async () => {
  const meeting = calledMeeting();
  const { connection, admitted } = call(meeting);
  assert.match(await answer(connection), /^OK /);
  meeting.fail(failure);
  await assert.rejects(meeting.links, failure);
  await connection.write(encodeFrame(FRAME.PING));
  await within(WAIT_MS, "the end of the call", admitted);
  const buffer = new ReadBuffer({ maxBytes: 4096 });
  await within(WAIT_MS, "a frame", buffer.fill(connection));
  const { type, payload } = decodeFrame(buffer.bytes.subarray(0, buffer.end)) as Frame;
  assert.equal(type, FRAME.ABORT);
  assert.deepEqual(decodeAbort(payload), { node: 1, reason: "its disk is full" });
});
