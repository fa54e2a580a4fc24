import assert from "node:assert/strict";
import { formatAddress } from "../../../lib/net/address.ts";
import { parseNodes, parseNodesFile } from "../../../lib/mesh/link/node_list.ts";

Deno.test("parseNodes() reads addresses in the order of the nodes", () => {
  const nodes = parseNodes("host0:8083, 10.0.0.1:1,[::1]:65535");
  assert.deepEqual(nodes.map(formatAddress), ["host0:8083", "10.0.0.1:1", "[::1]:65535"]);
  for (const text of ["", "a:1,,b:2", "a", "a:99999"]) {
    assert.throws(() => parseNodes(text), SyntaxError, text);
  }
  const many = Array.from({ length: 257 }, (_, i) => `h:${i}`).join(",");
  assert.throws(() => parseNodes(many), /the limit is 256/);
});

Deno.test("parseNodesFile() reads TOML, at the top or in [mesh]", () => {
  for (const head of ["", "[mesh]\n"]) {
    const nodes = parseNodesFile("n.toml", `${head}nodes = ["a:1", "b:2"]\n`);
    assert.deepEqual(nodes.map(formatAddress), ["a:1", "b:2"]);
  }
  for (const text of ["", "nodes = 5", "nodes = [5]", "nodes = [", 'nodes = ["a"]']) {
    assert.throws(() => parseNodesFile("n.toml", text), SyntaxError, text);
  }
});

Deno.test("parseNodesFile() reads the YAML list of the netsort course, in any order", () => {
  const text = `servers:
  - serverId: 1
    host: "localhost"
    port: "8081"
  - serverId: 0
    host: localhost
    port: 8080
`;
  const nodes = parseNodesFile("config.yaml", text);
  assert.deepEqual(nodes.map(formatAddress), ["localhost:8080", "localhost:8081"]);
  const faults: [string, RegExp][] = [
    [text.replace("serverId: 1", "serverId: 0"), /serverId "0" is not one of 0 to 1, each once/],
    [text.replace("serverId: 1", "serverId: 2"), /serverId "2"/],
    [text.replace("servers", "hosts"), /expected a list "servers"/],
    [text.replace("port: 8080", "port: x"), /Cannot read "localhost:x" as an address/],
    ["servers: [", /as YAML/],
    ["servers:\n  - null", /serverId "undefined"/],
  ];
  for (const [yaml, message] of faults) {
    assert.throws(() => parseNodesFile("config.yml", yaml), { name: "SyntaxError", message });
  }
});
