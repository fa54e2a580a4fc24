import { TestClient } from "../../support/client.ts";
import { type DaemonProcess, startDaemon } from "../../support/daemon.ts";
import { freePorts } from "../../support/ports.ts";
import { until } from "../../support/within.ts";

/** The issuer (PEM) that a client trusts, and the certificate that it presents, if any. */
export type Trust = string | { ca: string; cert: string; key: string };

/** How long a daemon may take to start on a busy machine. */
const START_MS = 120_000;

/** Options for {@linkcode startMesh}. */
export interface MeshOptions {
  /** More lines for the section `[mesh]`. */
  more?: string | ((node: number) => string);
  /** Set if the daemons use TLS. */
  ca?: Trust;
}

/** Loopback addresses with free ports. */
export function freeAddresses(count: number): string[] {
  return freePorts(count).map((port) => `127.0.0.1:${port}`);
}

/** The section `[mesh]` of one node. */
export function nodeConfig(addresses: string[], node: number, more = ""): string {
  const nodes = JSON.stringify(addresses.length > 1 ? addresses : []);
  return `[mesh]\nenabled = true\nlisten = "${addresses[node]}"\nnode = ${node}\n` +
    `nodes = ${nodes}\nmemory = "64MiB"\n${more}`;
}

/** Starts daemons that form a mesh, and waits until all are connected. */
export async function startMesh(
  stack: AsyncDisposableStack,
  count: number,
  { more = "", ca }: MeshOptions = {},
): Promise<DaemonProcess[]> {
  const addresses = freeAddresses(count);
  const daemons = await Promise.all(
    addresses.map(async (_, node) => {
      const text = typeof more === "string" ? more : more(node);
      const config = nodeConfig(addresses, node, text);
      const daemon = stack.use(await startDaemon({ config }));
      await daemon.logged(/service=mesh address=/, START_MS);
      return daemon;
    }),
  );
  await Promise.all(daemons.map((daemon) => allConnected(daemon, ca)));
  return daemons;
}

/** Waits until a daemon reports all nodes as connected. */
export async function allConnected(daemon: DaemonProcess, ca?: Trust): Promise<void> {
  await until(
    "all nodes are connected",
    async () => !(await ask(daemon, "NODES", ca)).some((line) => line.includes(" down")),
    120_000,
    pollMs(ca),
  );
}

/** How often to ask a daemon something. Each time is a connection, which costs more with TLS. */
function pollMs(ca?: Trust): number {
  return ca === undefined ? 50 : 200;
}

/** Sends one command to a daemon; returns the lines of the reply. */
export async function ask(daemon: DaemonProcess, command: string, ca?: Trust): Promise<string[]> {
  const { hostname, port } = daemon.address("mesh") as Deno.NetAddr;
  const shown = typeof ca === "object" ? { cert: ca.cert, key: ca.key } : {};
  const caCerts = ca === undefined ? [] : [typeof ca === "object" ? ca.ca : ca];
  using client = TestClient.of(
    ca === undefined
      ? await Deno.connect({ hostname, port })
      : await Deno.connectTls({ hostname, port, caCerts, ...shown }),
  );
  await client.send(`${command}\n`);
  await client.closeWrite();
  return (await client.rest()).trimEnd().split("\n");
}

/** Waits for the end of a job; returns its line of the status. */
export async function jobEnd(daemon: DaemonProcess, job: number, ca?: Trust): Promise<string> {
  let line = "";
  await until(
    `job ${job} ends`,
    async () => {
      const lines = await ask(daemon, "STATUS", ca);
      line = lines.find((line) => line.startsWith(`job ${job} `)) ?? "";
      return !/^job \d+ (waiting|running)|^$/.test(line);
    },
    120_000,
    pollMs(ca),
  );
  return line;
}

/** The directory with the inputs and outputs of a daemon. */
export function directory(daemon: DaemonProcess): string {
  return `${daemon.directory}/data/sort`;
}
