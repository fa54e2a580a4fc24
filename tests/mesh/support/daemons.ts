import { TestClient } from "../../support/client.ts";
import { type DaemonProcess, startDaemon } from "../../support/daemon.ts";
import { until } from "../../support/within.ts";
import { freePorts } from "./nodes.ts";

/** An issuer (PEM) to trust, and a certificate to show if one is asked for. */
export type Trust = string | { ca: string; cert: string; key: string };

/** Options for {@linkcode startMesh}. */
export interface MeshOptions {
  /** More lines of the section. */
  more?: string | ((node: number) => string);
  /** Speaks TLS to them. */
  ca?: Trust;
}

/** Addresses for nodes, on ports that were free a moment ago. */
export function freeAddresses(count: number): string[] {
  return freePorts(count).map((port) => `127.0.0.1:${port}`);
}

/** The section of one of the nodes. */
export function nodeConfig(addresses: string[], node: number, more = ""): string {
  const nodes = JSON.stringify(addresses.length > 1 ? addresses : []);
  return `[mesh]\nenabled = true\nlisten = "${addresses[node]}"\nnode = ${node}\n` +
    `nodes = ${nodes}\nmemory = "64MiB"\n${more}`;
}

/** Daemons that form a mesh, each with a directory of its own; all are connected. */
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
      await daemon.logged(/service=mesh address=/);
      return daemon;
    }),
  );
  for (const daemon of daemons) await allConnected(daemon, ca);
  return daemons;
}

/** Waits until a daemon says that all nodes are connected. */
export async function allConnected(daemon: DaemonProcess, ca?: Trust): Promise<void> {
  await until(
    "all nodes are connected",
    async () => !(await ask(daemon, "NODES", ca)).some((line) => line.includes(" down")),
    20_000,
  );
}

/** What a daemon answers to one command. */
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

/** Waits for the end of a job; the line that tells of it. */
export async function jobEnd(daemon: DaemonProcess, job: number, ca?: Trust): Promise<string> {
  let line = "";
  await until(
    `job ${job} ends`,
    async () => {
      const lines = await ask(daemon, "STATUS", ca);
      line = lines.find((line) => line.startsWith(`job ${job} `)) ?? "";
      return !/^job \d+ (waiting|running)|^$/.test(line);
    },
    30_000,
    50,
  );
  return line;
}

/** Where a daemon has its inputs and outputs. */
export function directory(daemon: DaemonProcess): string {
  return `${daemon.directory}/data/sort`;
}
