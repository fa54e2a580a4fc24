/**
 * Peers with the right secret, another one, or none.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { FailureCounter, Guard } from "../../../lib/auth.ts";
import { Connection } from "../../../lib/net/connection.ts";
import { formatHello, HELLO, type Hello, MESH_VERSION } from "../../../lib/mesh/link/hello.ts";
import { callPeer } from "../../../lib/mesh/link/call.ts";
import { DEFAULT_RECORD_FORMAT } from "../../../lib/mesh/records/record_format.ts";
import { TestClient } from "../../support/client.ts";
import { runHere } from "../../support/command_line.ts";
import { type DaemonProcess, startDaemon } from "../../support/daemon.ts";
import { freePorts } from "../../support/ports.ts";
import { signal } from "../../support/signal.ts";
import { until, within } from "../../support/within.ts";
import { generated, joined, MeshFiles, sortedRecords } from "../support/nodes.ts";
import { QuartetProcess } from "../support/quartet_process.ts";

const TOKEN = "a-token-of-the-mesh";
const NONCE = "0".repeat(64);

const CALLER: Hello = {
  version: MESH_VERSION,
  job: "some-job",
  node: 0,
  to: 0,
  nodes: 1,
  format: DEFAULT_RECORD_FORMAT,
  partition: "sample",
};

function config(address: string, more = ""): string {
  return `[mesh]\nenabled = true\nlisten = "${address}"\nmemory = "64MiB"\n${more}` +
    `[auth]\nmax_failures = 1000\n[auth.tokens.mesh]\nenv = "MESH_TOKEN"\nservices = ["mesh"]\n`;
}

function startNode(token = TOKEN): Promise<DaemonProcess> {
  return startDaemon({ config: config("127.0.0.1:0"), env: { MESH_TOKEN: token } });
}

/** Makes a proof as docs/protocols.md describes it, independently of the code under test. */
function proof(role: string, line: string, nonce: string, token = TOKEN): string {
  const key = createHash("sha256").update(token).digest();
  return createHmac("sha256", key).update(`quartet mesh ${role}\n${line}\n${nonce}`).digest("hex");
}

/** Says hello, and returns the nonce of the reply. */
async function challenge(client: TestClient, line: string): Promise<string> {
  await client.send(`${line}\n`);
  const answer = await client.line();
  assert.match(answer, /^PROVE [0-9a-f]{64}\n$/);
  return answer.slice("PROVE ".length).trim();
}

Deno.test("mesh: a caller that proves the secret gets a proof and an answer", async () => {
  await using daemon = await startNode();
  for (const word of [HELLO.PEER, HELLO.CONTROL]) {
    const line = formatHello(word, { ...CALLER, nonce: NONCE });
    using client = await TestClient.connect(daemon.address("mesh"));
    const nonce = await challenge(client, line);
    await client.send(`PROOF ${proof("caller", line, nonce)}\n`);
    assert.equal(await client.line(), `PROOF ${proof("called", line, nonce)}\n`);
    assert.match(await client.line(), word === HELLO.PEER ? /^LATER / : /^ERR /);
  }
  assert.ok(!daemon.log.includes(TOKEN));
});

Deno.test("mesh: any other proof is refused, and nothing is revealed to its sender", async () => {
  await using daemon = await startNode();
  const line = formatHello(HELLO.PEER, { ...CALLER, nonce: NONCE });
  const refused = "ERR the caller's secret is not that of this node\n";
  const before: string[] = [];
  const proofs: [string, (nonce: string) => string][] = [
    ["of a wrong secret", (nonce) => proof("caller", line, nonce, "another-token")],
    ["of the other role", (nonce) => proof("called", line, nonce)],
    ["of another hello", (nonce) => proof("caller", line.replace("some", "other"), nonce)],
    ["of another role of the link", (nonce) => (
      proof("caller", line.replace("PEER", "CONTROL"), nonce)
    )],
    ["of another connection", () => proof("caller", line, before[0]!)],
    ["of its own number", () => proof("caller", line, NONCE)],
    ["that is none", () => "x".repeat(64)],
    ["that is empty", () => ""],
  ];
  for (const [what, make] of proofs) {
    using client = await TestClient.connect(daemon.address("mesh"));
    const nonce = await challenge(client, line);
    before.push(nonce);
    await client.send(`PROOF ${make(nonce)}\n`);
    assert.equal(await client.rest(), refused, what);
  }
  assert.equal(new Set(before).size, before.length, "every nonce is new");
  using silent = await TestClient.connect(daemon.address("mesh"));
  await silent.send(`${formatHello(HELLO.PEER, CALLER)}\n`);
  assert.equal(await silent.rest(), "ERR this node has a secret, the caller has none\n");
});

Deno.test("mesh: a caller leaves a node that does not prove the secret in turn", async () => {
  const secret = new Guard([TOKEN], new FailureCounter(10, 1000));
  const other = "ab".repeat(32);
  const fakes: [string, RegExp, (line: string) => string[]][] = [
    ["takes anybody", /does not prove/, () => [`OK ${JSON.stringify(CALLER)}`]],
    ["draws no number", /does not prove/, () => ["PROVE x"]],
    ["proves nothing", /secret is not that/, () => [`PROVE ${other}`, "PROOF "]],
    ["sends the proof back", /secret is not that/, () => [`PROVE ${other}`, "(back)"]],
    ["has another secret", /secret is not that/, (line) => [
      `PROVE ${other}`,
      `PROOF ${proof("called", line, other, "another-token")}`,
    ]],
  ];
  for (const [what, expected, say] of fakes) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      using client = TestClient.of(await listener.accept());
      const line = (await client.line()).trim();
      const [first, second] = say(line);
      await client.send(`${first}\n`);
      if (second === undefined) return;
      const given = await client.line();
      await client.send(second === "(back)" ? given : `${second}\n`);
      await client.rest();
    })();
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const connection = new Connection(conn, 1, "127.0.0.1:1");
    const call = callPeer(connection, { word: HELLO.PEER, hello: CALLER, secret });
    await assert.rejects(within(60_000, what, call), expected, what);
    connection.close();
    await within(60_000, what, serving.catch(() => {}));
  }
});

Deno.test("mesh: a client has to authenticate with a line before it is served", async () => {
  await using daemon = await startNode();
  using person = await TestClient.connect(daemon.address("mesh"));
  await person.send(`AUTH ${TOKEN}\nNODES\nQUIT\n`);
  assert.equal(await person.rest(), "OK\nnode 0 up (this one)\nEND\nOK\n");
  using stranger = await TestClient.connect(daemon.address("mesh"));
  await stranger.send("NODES\n");
  assert.equal(await stranger.rest(), "ERR AUTH token expected first\n");
});

Deno.test("mesh: daemons with the same secret sort together, and one with another secret is refused", async () => {
  await using stack = new AsyncDisposableStack();
  const addresses = freePorts(3).map((port) => `127.0.0.1:${port}`);
  const start = async (node: number, token: string) => {
    const more = `node = ${node}\nnodes = ${JSON.stringify(addresses)}\n`;
    const env = { MESH_TOKEN: token };
    return stack.use(await startDaemon({ config: config(addresses[node]!, more), env }));
  };
  const daemons = await Promise.all([0, 1].map((node) => start(node, TOKEN)));
  const stranger = await start(2, "the-token-of-another-mesh");
  await daemons[0]!.logged(/Cannot reach a node.*node=2.*the caller's secret is not that of/);
  await stranger.logged(/level=warn.*msg="?Client presented a wrong token/);
  await until("node 1 is connected", async () => (
    /node 1 \S+ up\nnode 2 \S+ down/.test(await ask(daemons[0]!, "NODES"))
  ), 60_000);
  await stranger.stop();
  daemons.push(await start(2, TOKEN));
  await until(
    "all are connected",
    async () => !/ down/.test(await ask(daemons[0]!, "NODES")),
    120_000,
  );
  const inputs = daemons.map((_, node) => generated(1000, { first: node * 1000 }));
  const file = (node: number, name: string) => `${daemons[node]!.directory}/data/sort/${name}`;
  await Promise.all(inputs.map((input, node) => Deno.writeFile(file(node, "in"), input)));
  assert.equal(await ask(daemons[1]!, "SORT in out"), "OK\nOK job 1\n");
  await until(
    "the job is done",
    async () => /job 1 done/.test(await ask(daemons[0]!, "STATUS")),
    120_000,
    50,
  );
  const sorted = sortedRecords(inputs);
  const output = joined(inputs.map((_, node) => Deno.readFileSync(file(node, "out"))));
  assert.ok(output.every((byte, i) => byte === sorted[i]));
});

async function ask(daemon: DaemonProcess, command: string): Promise<string> {
  using client = await TestClient.connect(daemon.address("mesh"));
  await client.send(`AUTH ${TOKEN}\n${command}\n`);
  await client.closeWrite();
  return await client.rest();
}

Deno.test("quartet sort: nodes with the same --secret-file sort together", async () => {
  const inputs = [0, 1, 2].map((node) => generated(1000, { first: node * 1000 }));
  await using files = await MeshFiles.create(inputs);
  await Deno.writeTextFile(`${files.directory}/in-999`, `${TOKEN}\n`);
  await using stack = new AsyncDisposableStack();
  const secret = ["--secret-file", `${files.directory}/in-999`];
  const nodes = [0, 1, 2].map((node) =>
    stack.use(new QuartetProcess(files.words(node, ...secret)))
  );
  for (const node of nodes) {
    const { code, stderr } = await node.ended();
    assert.equal(code, 0, stderr);
  }
  const sorted = sortedRecords(inputs);
  assert.ok(joined(await files.outputs()).every((byte, i) => byte === sorted[i]));
});

Deno.test("quartet sort: a node with another secret, or none, is refused with the reason", async () => {
  await using files = await MeshFiles.create([generated(10), generated(10)]);
  await Deno.writeTextFile(`${files.directory}/in-900`, `${TOKEN}\n`);
  await Deno.writeTextFile(`${files.directory}/in-901`, "another-secret\n");
  await Deno.writeTextFile(`${files.directory}/in-902`, "short\n");
  const secret = (which: number) => ["--secret-file", `${files.directory}/in-90${which}`];
  const cases: [string[], string[], RegExp][] = [
    [secret(1), secret(0), /refused: the caller's secret is not that of this node/],
    [[], secret(0), /refused: this node has a secret, the caller has none/],
    [secret(0), [], /refused: the caller has a secret, this node has none/],
  ];
  for (const [own, others, expected] of cases) {
    await using other = new QuartetProcess(files.words(1, ...others));
    await using node = new QuartetProcess(files.words(0, ...own));
    const { code, stderr } = await node.ended();
    assert.match(stderr, expected);
    assert.equal(code, 1);
    signal(other.child, "SIGTERM");
    assert.equal((await other.ended()).code, 1);
    assert.deepEqual((await files.leftovers()).filter((name) => !name.startsWith("in-")), []);
  }
  const short = await runHere(files.words(0, ...secret(2)));
  assert.match(short.stderr, /Cannot use the secret in .* it needs 8 to 1024/);
});
