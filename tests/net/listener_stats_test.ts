import assert from "node:assert/strict";
import { connectionMetrics, sumStats } from "../../lib/net/listener_stats.ts";
import { rejectedIn } from "../support/rejected.ts";

const STATS = {
  connections: 1,
  accepted: 2,
  serverFull: 3,
  addressFull: 0,
  receivedBytes: 5,
  sentBytes: 6,
};

Deno.test("connectionMetrics(): every reason is there, also one that never was", () => {
  assert.deepEqual(rejectedIn(connectionMetrics("kv", STATS)), { server_full: 3, address_full: 0 });
});

Deno.test("sumStats(): adds up what several listeners have counted", () => {
  const other = { ...STATS, serverFull: 10, addressFull: 20 };
  assert.deepEqual(sumStats([STATS, other]), {
    connections: 2,
    accepted: 4,
    serverFull: 13,
    addressFull: 20,
    receivedBytes: 10,
    sentBytes: 12,
  });
  assert.equal(STATS.accepted, 2);
});
