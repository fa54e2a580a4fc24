import assert from "node:assert/strict";
import { connectionMetrics, sumMetrics } from "../../lib/net/listener_metrics.ts";
import { rejectedIn } from "../support/rejected.ts";

const COUNTED = {
  connections: 1,
  accepted: 2,
  serverFull: 3,
  addressFull: 0,
  proxyHeader: 4,
  receivedBytes: 5,
  sentBytes: 6,
  certificateExpiryMs: Infinity,
};

Deno.test("connectionMetrics() reports every reason for a refusal, even with a count of 0", () => {
  assert.deepEqual(rejectedIn(connectionMetrics("kv", COUNTED)), {
    server_full: 3,
    address_full: 0,
    proxy_header: 4,
  });
});

Deno.test("sumMetrics() adds up what several listeners have counted", () => {
  const other = { ...COUNTED, serverFull: 10, addressFull: 20, certificateExpiryMs: 7 };
  assert.deepEqual(sumMetrics([COUNTED, other]), {
    connections: 2,
    accepted: 4,
    serverFull: 13,
    addressFull: 20,
    proxyHeader: 8,
    receivedBytes: 10,
    sentBytes: 12,
    certificateExpiryMs: 7,
  });
  assert.equal(COUNTED.accepted, 2);
});
