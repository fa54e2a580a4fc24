import assert from "node:assert/strict";
import * as v from "valibot";
import { meshConfigSchema } from "../../lib/mesh/config.ts";

const TLS = { cert: "a.crt", key: "a.key", ca: "ca.crt" };

function faults(section: Record<string, unknown>): string[] {
  const { issues } = v.safeParse(meshConfigSchema, section);
  return (issues ?? []).map((issue) => `${v.getDotPath(issue)}: ${issue.message}`);
}

Deno.test("[mesh] tls works with and without a ca, but not on unix sockets", () => {
  const nodes = ["host0:8083", "10.0.0.7:8083"];
  assert.deepEqual(faults({ tls: TLS, nodes }), []);
  assert.deepEqual(faults({ tls: { cert: "a.crt", key: "a.key" }, nodes }), []);
  assert.deepEqual(faults({ tls: TLS }), []);
  assert.deepEqual(faults({ tls: TLS, nodes: [...nodes, "unix:/run/node"] }), [
    "tls: nothing, as nodes on unix sockets do not speak TLS",
  ]);
  assert.match(faults({ tls: { ...TLS, ca: "" }, nodes })[0]!, /^tls.ca: a text of 1 to/);
});

Deno.test("[mesh] max_line is at most an eighth of memory", () => {
  assert.deepEqual(faults({ memory: "64MiB", max_line: "8MiB" }), []);
  assert.deepEqual(faults({ memory: "64MiB", max_line: "9MiB" }), [
    "max_line: at most an eighth of memory",
  ]);
  assert.match(faults({ max_line: "0B" })[0]!, /^max_line: /);
});

Deno.test("[mesh] node and partition have to fit the list of nodes", () => {
  const nodes = ["a:1", "b:1", "c:1"];
  assert.deepEqual(faults({ nodes, node: 2 }), []);
  assert.match(faults({ nodes, node: 3 })[0]!, /^node: the number of one of the nodes/);
  assert.match(faults({ nodes, partition: "bits" })[0]!, /^partition: "sample", unless/);
});
