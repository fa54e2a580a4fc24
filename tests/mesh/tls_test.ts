/**
 * Nodes that use TLS between each other, and nodes with a wrong certificate.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CLIENT_CA, makeCertificates, selfSigned } from "../support/certificates.ts";
import { TestClient } from "../support/client.ts";
import { runHere } from "../support/command_line.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { signal } from "../support/signal.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { until } from "../support/within.ts";
import { parseAddress } from "../../lib/net/address.ts";
import {
  allConnected,
  ask,
  directory,
  freeAddresses,
  jobEnd,
  nodeConfig,
  startMesh,
} from "./support/daemons.ts";
import { generated, isListening, joined, MeshFiles, sortedRecords } from "./support/nodes.ts";
import { QuartetProcess } from "./support/quartet_process.ts";

/** How long a line of a log may take on a busy machine. */
const LOG_MS = 120_000;

const SHARED = selfSigned("shared");
const SHARED_PEM = await Deno.readTextFile(SHARED.cert);
/** The configuration of nodes that share one self-signed certificate. */
const TLS = `tls = { cert = "${SHARED.cert}", key = "${SHARED.key}", ca = "${SHARED.cert}" }\n`;

async function giveInputs(daemons: DaemonProcess[], count: number): Promise<Uint8Array[]> {
  const inputs = daemons.map((_, node) => generated(count, { first: node * count }));
  await Promise.all(daemons.map((daemon, node) => (
    Deno.writeFile(`${directory(daemon)}/in`, inputs[node]!)
  )));
  return inputs;
}

function assertSorted(daemons: DaemonProcess[], inputs: Uint8Array[]): void {
  const outputs = joined(daemons.map((daemon) => Deno.readFileSync(`${directory(daemon)}/out`)));
  const sorted = sortedRecords(inputs);
  assert.equal(outputs.length, sorted.length);
  assert.ok(outputs.every((byte, i) => byte === sorted[i]));
}

Deno.test("mesh: daemons sort over TLS, and a client without TLS is not served", async () => {
  await using stack = new AsyncDisposableStack();
  const daemons = await startMesh(stack, 3, { more: TLS, ca: SHARED_PEM });
  const inputs = await giveInputs(daemons, 3001);
  const { hostname, port } = daemons[1]!.address("mesh") as Deno.NetAddr;
  for (const text of ["STATUS\nNODES\n", 'PEER {"version":1}\n', "CONTROL {}\n"]) {
    using plain = TestClient.of(await Deno.connect({ hostname, port }));
    await plain.send(text);
    assert.doesNotMatch(await plain.rest().catch(() => ""), /node|END|ERR|OK/);
  }
  assert.deepEqual(await ask(daemons[1]!, "SORT in out", SHARED_PEM), ["OK job 1"]);
  assert.equal(await jobEnd(daemons[1]!, 1, SHARED_PEM), "job 1 done in out records=9003");
  assertSorted(daemons, inputs);
  await Deno.remove(`${directory(daemons[2]!)}/in`);
  await ask(daemons[0]!, "SORT in out", SHARED_PEM);
  for (const daemon of daemons) {
    assert.match(await jobEnd(daemon, 2, SHARED_PEM), /^job 2 failed in out node 2: Cannot read/);
    assert.ok(!daemon.log.includes("level=error"), daemon.log);
  }
});

Deno.test("mesh: SIGHUP reloads certificates and does not disturb the running job", async () => {
  await using stack = new AsyncDisposableStack();
  const files = stack.use(await makeCertificates());
  const { cert, key } = files.server;
  const more = `tls = { cert = "${cert}", key = "${key}", ca = "${files.caFile}" }\n`;
  const daemons = await startMesh(stack, 2, { more, ca: files.ca });
  const inputs = await giveInputs(daemons, 100_000);
  await ask(daemons[0]!, "SORT in out", files.ca);
  await daemons[1]!.logged(/msg="Job started"/, LOG_MS);
  // No phase of the job can end while node 0 is stopped.
  daemons[0]!.signal("SIGSTOP");
  await files.renew();
  daemons[1]!.signal("SIGHUP");
  await daemons[1]!.logged(/msg=Reloaded/, LOG_MS);
  assert.doesNotMatch(daemons[1]!.log, /msg="Job (done|failed)"|Lost a node/);
  daemons[0]!.signal("SIGCONT");
  assert.equal(await jobEnd(daemons[0]!, 1, files.ca), "job 1 done in out records=200000");
  assertSorted(daemons, inputs);
});

Deno.test("mesh: a daemon with a wrong certificate is refused until it reloads a right one", async () => {
  await using stack = new AsyncDisposableStack();
  const own = stack.use(await makeTempDirectory());
  const [cert, key, ca] = ["cert", "key", "ca"].map((name) => `${own.path}/${name}`);
  const elsewhere = selfSigned("elsewhere");
  await Deno.copyFile(elsewhere.cert, cert!);
  await Deno.copyFile(elsewhere.key, key!);
  await Deno.writeTextFile(ca!, SHARED_PEM + await Deno.readTextFile(elsewhere.cert));
  const addresses = freeAddresses(3);
  const start = async (node: number, files: { cert: string; key: string }) => {
    const tls = `tls = { cert = "${files.cert}", key = "${files.key}", ca = "${ca}" }\n`;
    return stack.use(await startDaemon({ config: nodeConfig(addresses, node, tls) }));
  };
  const daemons = await Promise.all([
    start(0, SHARED),
    start(1, SHARED),
    start(2, {
      cert: cert!,
      key: key!,
    }),
  ]);
  const reason = /its certificate is not for "127.0.0.1": it needs one with that name/;
  await daemons[0]!.logged(
    /level=warn.*msg="Cannot reach a node" node=2.*its certificate is not f/,
    LOG_MS,
  );
  await until(
    "node 1 is connected",
    async () => (
      /node 1 \S+ up\nnode 2 \S+ down/.test(
        (await ask(daemons[0]!, "NODES", SHARED_PEM)).join("\n"),
      )
    ),
    60_000,
    50,
  );
  const inputs = await giveInputs(daemons, 1000);
  await ask(daemons[1]!, "SORT in out", SHARED_PEM);
  assert.match(await jobEnd(daemons[1]!, 1, SHARED_PEM), reason);
  assert.match(await jobEnd(daemons[1]!, 1, SHARED_PEM), /^job 1 failed in out node 2 \(/);

  await Deno.copyFile(SHARED.cert, cert!);
  await Deno.copyFile(SHARED.key, key!);
  daemons[2]!.signal("SIGHUP");
  await allConnected(daemons[0]!, SHARED_PEM);
  await ask(daemons[2]!, "SORT in out", SHARED_PEM);
  assert.match(await jobEnd(daemons[0]!, 2, SHARED_PEM), /^job 2 done/);
  assertSorted(daemons, inputs);
});

Deno.test("mesh: with client_ca, nodes present their certificates, and a caller without one is not served", async () => {
  await using stack = new AsyncDisposableStack();
  const more = TLS.replace(" }", `, client_ca = "${SHARED.cert}" }`);
  const key = await Deno.readTextFile(SHARED.key);
  const ca = { ca: SHARED_PEM, cert: SHARED_PEM, key };
  const daemons = await startMesh(stack, 3, { more, ca });
  const inputs = await giveInputs(daemons, 3001);
  for (const command of ["STATUS", 'PEER {"version":1}', "CONTROL {}"]) {
    const answer = await ask(daemons[1]!, command, SHARED_PEM).catch(() => [""]);
    assert.deepEqual(answer, [""]);
  }
  assert.deepEqual(await ask(daemons[1]!, "SORT in out", ca), ["OK job 1"]);
  assert.equal(await jobEnd(daemons[1]!, 1, ca), "job 1 done in out records=9003");
  assertSorted(daemons, inputs);
  for (const daemon of daemons) assert.ok(!daemon.log.includes("level=error"), daemon.log);
});

Deno.test("mesh: a node whose certificate is refused logs the likely reason", async () => {
  await using stack = new AsyncDisposableStack();
  const addresses = freeAddresses(2);
  const start = async (node: number, clientCa: string) => {
    const tls = TLS.replace(" }", `, client_ca = "${clientCa}" }`);
    return stack.use(await startDaemon({ config: nodeConfig(addresses, node, tls) }));
  };
  const [caller] = await Promise.all([start(0, SHARED.cert), start(1, CLIENT_CA.clients)]);
  await caller.logged(
    /msg="Cannot reach a node" node=1.*its client_ca may not have signed the certificate of this node/,
    LOG_MS,
  );
});

Deno.test("mesh: an unusable ca is reported on reload, and the old one stays in force", async () => {
  await using own = await makeTempDirectory();
  const ca = `${own.path}/ca`;
  await Deno.copyFile(SHARED.cert, ca);
  const [address, other] = freeAddresses(2);
  const tls = `tls = { cert = "${SHARED.cert}", key = "${SHARED.key}", ca = "${ca}" }\n`;
  const config = nodeConfig([address!, other!], 0, tls);
  await using daemon = await startDaemon({ config });
  await Deno.writeTextFile(ca, "nonsense");
  daemon.signal("SIGHUP");
  await daemon.logged(/Cannot use .*ca\\?" for TLS: not certificates in PEM form/, LOG_MS);
  assert.match((await ask(daemon, "NODES", SHARED_PEM))[0]!, /^node 0 .* up/);
});

/** The options that give a node of `quartet sort` a certificate. */
function tlsWords({ cert, key }: { cert: string; key: string }, ca: string): string[] {
  return ["--tls-cert", cert, "--tls-key", key, "--tls-ca", ca];
}

Deno.test("quartet sort: nodes with certificates of one issuer and a secret sort over TLS", async () => {
  await using certificates = await makeCertificates();
  const inputs = [0, 1, 2].map((node) => generated(2000, { first: node * 2000 }));
  await using files = await MeshFiles.create(inputs);
  await Deno.writeTextFile(`${files.directory}/in-999`, "a-secret-of-the-nodes\n");
  const words = [
    ...tlsWords(certificates.server, certificates.caFile),
    "--secret-file",
    `${files.directory}/in-999`,
  ];
  await using stack = new AsyncDisposableStack();
  const nodes = inputs.map((_, i) => stack.use(new QuartetProcess(files.words(i, ...words))));
  for (const node of nodes) {
    const { code, stderr } = await node.ended();
    assert.equal(stderr, "");
    assert.equal(code, 0);
  }
  const output = joined(await files.outputs());
  const sorted = sortedRecords(inputs);
  assert.ok(output.every((byte, i) => byte === sorted[i]));
  assert.deepEqual((await files.leftovers()).filter((name) => name !== "in-999"), []);
});

Deno.test("quartet sort: a wrong or missing certificate ends the sort with an explanation", async () => {
  const elsewhere = selfSigned("elsewhere");
  const right = tlsWords(SHARED, SHARED.cert);
  // Without TLS on one side only the dial timeout ends the attempts.
  const patience = ["--dial-timeout", "6s"];
  const cases: [string[], string[], RegExp][] = [
    [
      tlsWords(SHARED, elsewhere.cert),
      tlsWords(elsewhere, SHARED.cert),
      /^node 1 \(.*\) does not fit: its certificate is not for "127.0.0.1"/,
    ],
    [tlsWords(SHARED, elsewhere.cert), right, /does not fit: its certificate is not trusted/],
    [right, [], /does not fit: it does not speak TLS, and all nodes have to or none/],
    [patience, right, /^Cannot connect within 6 s, .*if it speaks TLS, this node has to as well/],
  ];
  await Promise.all(cases.map(async ([own, others, expected]) => {
    await using files = await MeshFiles.create([generated(10), generated(10)]);
    await using other = new QuartetProcess(files.words(1, ...others));
    // Until it listens, attempts fail for another reason.
    const address = parseAddress(files.addresses[1]!);
    await until("the other node listens", () => isListening(address), 180_000, 50);
    await using node = new QuartetProcess(files.words(0, ...own));
    const { code, stderr } = await node.ended();
    assert.match(stderr, expected);
    assert.equal(code, 1);
    signal(other.child, "SIGTERM");
    assert.equal((await other.ended()).code, 1);
    assert.deepEqual(await files.leftovers(), []);
  }));
});

Deno.test("quartet sort: incomplete TLS options are refused", async () => {
  const { cert, key } = SHARED;
  const unix = ["--node", "0", "--nodes", "unix:/tmp/a,127.0.0.1:1"];
  const cases: [string[], RegExp][] = [
    [["--tls-cert", cert], /a node needs --tls-cert and --tls-key/],
    [["--tls-ca", cert], /a node needs --tls-cert and --tls-key/],
    [["--tls-cert", cert, "--tls-key", key, ...unix], /nodes on unix sockets do not speak TLS/],
  ];
  for (const [words, message] of cases) {
    const { code, stderr } = await runHere(["sort", ...words, "in", "out"]);
    assert.match(stderr, message);
    assert.equal(code, 2);
  }
});
