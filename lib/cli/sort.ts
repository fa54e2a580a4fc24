import { dirname } from "node:path";
import { FailureCounter, Guard, isToken, TOKEN_FORM } from "../auth.ts";
import { parseDuration, parseSize } from "../config/values.ts";
import { createLog } from "../log.ts";
import { formatSum, type Tally } from "../mesh/records/checksum.ts";
import {
  DEFAULT_DIAL_TIMEOUT,
  DEFAULT_MEMORY,
  DEFAULT_STALL_TIMEOUT,
  MAX_TIMEOUT_MS,
  MIN_TIMEOUT_MS,
} from "../mesh/defaults.ts";
import { nodeName } from "../mesh/link/call.ts";
import { admitPeer } from "../mesh/link/admit_peer.ts";
import { readFirstLine } from "../mesh/link/first_line.ts";
import { HELLO, MESH_VERSION } from "../mesh/link/hello.ts";
import { Meeting } from "../mesh/link/meeting.ts";
import { parseNodes, parseNodesFile } from "../mesh/link/node_list.ts";
import type { PeerLink } from "../mesh/link/peer_link.ts";
import { type PeerTlsFiles, readTrust } from "../mesh/link/peer_tls.ts";
import { demandProof } from "../mesh/link/proof.ts";
import { MAX_MEMORY_BYTES, MIN_MEMORY_BYTES } from "../mesh/sort/slot_budget.ts";
import { SortJob, type SortSummary } from "../mesh/job/sort_job.ts";
import type { Phase } from "../mesh/job/sort_progress.ts";
import type { Partition } from "../mesh/sort/splitters.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { Listener } from "../net/listener.ts";
import { beginLogin } from "../net/login.ts";
import { type Command, type CommandArguments, CommandError, EXIT, UsageError } from "./command.ts";
import { FORMAT_OPTIONS, readFormat } from "./records_format.ts";
import { Progress } from "./records_progress.ts";
import { readText } from "./server_options.ts";
import { print, printError, writeAll } from "./terminal.ts";

const DEFAULT_JOB = "sort";
const MAX_JOB_CHARACTERS = 100;
/** After this many wrong secrets, an address is not served until the window has passed. */
const MAX_FAILURES = 10;
const FAILURE_WINDOW_MS = 60_000;
/** How often the progress bar is updated. */
const PROGRESS_INTERVAL_MS = 250;
/** How often the missing nodes are named while the others wait. */
const WAITING_INTERVAL_MS = 5000;
const MIB = 1024 * 1024;
const BYTES_PER_MB = 1_000_000;

/** `quartet sort`: sorts a file, alone or as one of several nodes. */
export const sort: Command = {
  name: "sort",
  summary: "Sorts a file of records, alone or together with other machines",
  usage: "[--node I --nodes HOST:PORT,…] [options] INPUT OUTPUT",
  positionals: [2, 2],
  options: [
    {
      name: "nodes",
      value: "LIST",
      help: "all nodes in order, or a TOML or YAML file that lists them",
    },
    { name: "node", value: "I", help: "the number of this node, from 0" },
    { name: "listen", value: "ADDRESS", help: "where to listen (this node's address in --nodes)" },
    ...FORMAT_OPTIONS,
    { name: "partition", value: "HOW", help: '"sample" (default) or "bits" of the key' },
    { name: "memory", value: "SIZE", help: `how much memory to use (${DEFAULT_MEMORY})` },
    {
      name: "spill-dir",
      value: "DIR",
      help: "where to put data that does not fit in memory (beside OUTPUT)",
    },
    {
      name: "dial-timeout",
      value: "TIME",
      help: `how long to wait for all nodes (${DEFAULT_DIAL_TIMEOUT})`,
    },
    {
      name: "stall-timeout",
      value: "TIME",
      help: `how long a node may be silent (${DEFAULT_STALL_TIMEOUT})`,
    },
    {
      name: "secret-file",
      value: "FILE",
      help: "accept only nodes with the same secret, which this file holds",
    },
    { name: "tls-cert", value: "FILE", help: "use TLS, with this certificate for this node (PEM)" },
    { name: "tls-key", value: "FILE", help: "the key of that certificate" },
    { name: "tls-ca", value: "FILE", help: "the issuers of the certificates of all nodes" },
    {
      name: "job",
      value: "NAME",
      help: `accept only nodes with the same job name (${DEFAULT_JOB})`,
    },
    { name: "json", help: "print the summary as JSON" },
  ],
  details:
    `Each node has an INPUT and an OUTPUT. The outputs of all nodes, concatenated in the order
of the nodes, are sorted; records with equal keys keep the order of the nodes and their inputs. In the
end all outputs are written or none: if the sort fails, an existing OUTPUT is not touched.`,
  run: async (args) => {
    const settings = readSettings(args);
    const cancel = new AbortController();
    const stop = () => cancel.abort();
    Deno.addSignalListener("SIGINT", stop);
    Deno.addSignalListener("SIGTERM", stop);
    try {
      const summary = await runNode(settings, cancel.signal);
      print(settings.json ? JSON.stringify(forPrograms(summary)) : forPeople(summary));
      return EXIT.OK;
    } catch (error) {
      if (error instanceof CommandError) throw error;
      if (error instanceof Error) throw new CommandError(error.message);
      throw error;
    } finally {
      Deno.removeSignalListener("SIGINT", stop);
      Deno.removeSignalListener("SIGTERM", stop);
    }
  },
};

interface Settings {
  input: string;
  output: string;
  node: number;
  addresses: Address[];
  listen: Address | undefined;
  format: ReturnType<typeof readFormat>;
  partition: Partition;
  memoryBytes: number;
  spillDir: string;
  dialTimeoutMs: number;
  stallTimeoutMs: number;
  job: string;
  secret: Guard | undefined;
  tls: PeerTlsFiles | undefined;
  json: boolean;
}

function readSettings(args: CommandArguments): Settings {
  const [input, output] = args.positionals as [string, string];
  const addresses = readNodes(args.text("nodes"));
  const nodes = Math.max(1, addresses.length);
  const node = readNode(args.text("node"), nodes);
  const listen = args.text("listen");
  const partition = args.text("partition") ?? "sample";
  if (partition !== "sample" && partition !== "bits") {
    throw new UsageError(`--partition "${partition}" is neither "sample" nor "bits"`);
  }
  if (partition === "bits" && (nodes & (nodes - 1)) !== 0) {
    throw new UsageError(`--partition bits needs 1, 2, 4, 8… nodes, there are ${nodes}`);
  }
  const job = args.text("job") ?? DEFAULT_JOB;
  if (job.length > MAX_JOB_CHARACTERS) {
    throw new UsageError(`--job has more than ${MAX_JOB_CHARACTERS} characters`);
  }
  return {
    input,
    output,
    node,
    addresses,
    listen: listen === undefined ? addresses[node] : readAddress(listen),
    format: readFormat(args),
    partition,
    memoryBytes: readMemory(args.text("memory") ?? DEFAULT_MEMORY),
    spillDir: args.text("spill-dir") ?? dirname(output),
    dialTimeoutMs: readTime(args, "dial-timeout", DEFAULT_DIAL_TIMEOUT),
    stallTimeoutMs: Math.max(
      MIN_TIMEOUT_MS,
      readTime(args, "stall-timeout", DEFAULT_STALL_TIMEOUT),
    ),
    job,
    secret: readSecret(args.text("secret-file")),
    tls: readTls(args, addresses),
    json: args.flag("json"),
  };
}

function readNodes(text: string | undefined): Address[] {
  if (text === undefined) return [];
  try {
    if (!/\.(toml|ya?ml)$/i.test(text)) return parseNodes(text);
    return parseNodesFile(text, Deno.readTextFileSync(text));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(error.message);
    if (error instanceof Error) throw new CommandError(`Cannot read "${text}": ${error.message}`);
    throw error;
  }
}

function readNode(text: string | undefined, nodes: number): number {
  if (text === undefined) {
    if (nodes > 1) {
      throw new UsageError("--node is missing: with --nodes, each node needs its number");
    }
    return 0;
  }
  const node = /^\d{1,3}$/.test(text) ? Number(text) : nodes;
  if (node >= nodes) throw new UsageError(`--node "${text}" is not one of 0 to ${nodes - 1}`);
  return node;
}

function readAddress(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(error.message);
    throw error;
  }
}

function readSecret(file: string | undefined): Guard | undefined {
  if (file === undefined) return undefined;
  const secret = readText(file).replace(/\r?\n$/, "");
  if (!isToken(secret)) {
    throw new CommandError(`Cannot use the secret in "${file}": it needs ${TOKEN_FORM}`);
  }
  return new Guard([secret], new FailureCounter(MAX_FAILURES, FAILURE_WINDOW_MS));
}

function readTls(args: CommandArguments, addresses: Address[]): PeerTlsFiles | undefined {
  const [cert, key, ca] = ["tls-cert", "tls-key", "tls-ca"].map((name) => args.text(name));
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError("for TLS, a node needs --tls-cert and --tls-key");
  }
  if (addresses.some(({ transport }) => transport === "unix")) {
    throw new UsageError("nodes on unix sockets do not speak TLS");
  }
  return { cert, key, ca };
}

function readMemory(text: string): number {
  const bytes = parseSize(text) ?? 0;
  if (bytes < MIN_MEMORY_BYTES || bytes > MAX_MEMORY_BYTES + MIB) {
    throw new UsageError(
      `--memory "${text}" is not a size from ${MIN_MEMORY_BYTES / MIB}MiB to 4GiB`,
    );
  }
  return Math.min(bytes, MAX_MEMORY_BYTES);
}

function readTime(args: CommandArguments, name: string, otherwise: string): number {
  const text = args.text(name) ?? otherwise;
  const ms = parseDuration(text) ?? 0;
  if (ms <= 0 || ms > MAX_TIMEOUT_MS) {
    throw new UsageError(`--${name} "${text}" is not a time up to 24h such as "30s"`);
  }
  return ms;
}

async function runNode(settings: Settings, signal: AbortSignal): Promise<SortSummary> {
  const { node, addresses, format, partition, job, listen } = settings;
  const nodes = Math.max(1, addresses.length);
  if (nodes === 1) return await runJob(settings, [], signal);

  const log = createLog("sort", {
    level: "warn",
    format: "text",
    sink: (lines) => writeAll(Deno.stderr, lines),
  });
  const { tls } = settings;
  const trust = tls && readTrust(tls);
  let meeting: Meeting | undefined;
  const listener = await Listener.listen(listen!, {
    maxClients: 4 * nodes + 16,
    idleTimeoutMs: 0,
    fullReply: new TextEncoder().encode(`${HELLO.LATER}too many connections\n`),
    tls,
    log,
    handle: async (connection) => {
      const first = await readFirstLine(connection);
      if (!first || !first.line.startsWith(HELLO.PEER)) {
        log.warn("Refused a caller that is no peer", { address: connection.remote });
        return;
      }
      using login = beginLogin(connection, { guard: () => settings.secret, log });
      if (!await demandProof(connection, first, login)) return;
      await admitPeer({ connection, ...first }, () => meeting ?? "starting");
    },
  });
  try {
    meeting = new Meeting({
      addresses,
      hello: { version: MESH_VERSION, job, node, nodes, format, partition },
      dialTimeoutMs: settings.dialTimeoutMs,
      stallTimeoutMs: settings.stallTimeoutMs,
      secret: () => settings.secret,
      trust: () => trust,
      signal,
    });
    const links = await waitForAll(meeting, settings);
    return await runJob(settings, links, signal);
  } finally {
    await listener.close();
  }
}

async function waitForAll(meeting: Meeting, { addresses, json }: Settings): Promise<PeerLink[]> {
  const timer = setInterval(() => {
    const names = meeting.missing.map((node) => nodeName(node, addresses[node]));
    if (!json) printError(`Waiting for ${names.join(", ")}`);
  }, WAITING_INTERVAL_MS);
  try {
    return await meeting.links;
  } finally {
    clearInterval(timer);
  }
}

async function runJob(
  settings: Settings,
  links: PeerLink[],
  signal: AbortSignal,
): Promise<SortSummary> {
  const nodes = Math.max(1, settings.addresses.length);
  const job = new SortJob({ ...settings, nodes, links, signal });
  let phase: Phase | undefined;
  let totalBytes = 0;
  let progress: Progress | undefined;
  // A finished phase shows 100 %, whatever the last update showed.
  const fill = () => {
    if (progress) progress.value = totalBytes;
  };
  const show = () => {
    const state = job.progress();
    if (state.phase !== phase) {
      fill();
      ({ phase, totalBytes } = state);
      progress?.stop();
      progress = settings.json ? undefined : new Progress(phase, state.totalBytes);
    }
    if (progress) progress.value = state.doneBytes;
  };
  const timer = setInterval(show, PROGRESS_INTERVAL_MS);
  try {
    const summary = await job.run();
    fill();
    return summary;
  } finally {
    clearInterval(timer);
    progress?.stop();
  }
}

function forPeople({ input, output, total, seconds, nodes, spilledBytes }: SortSummary): string {
  const time = Object.values(seconds).reduce((sum, each) => sum + each, 0);
  const rate = (output.bytes / BYTES_PER_MB / time).toFixed(0);
  const lines = [
    `Sorted ${output.records} records, ${output.bytes} bytes in ${time.toFixed(2)} s, ${rate} MB/s`,
    `Checksum: ${formatSum(output.sum)}`,
  ];
  if (nodes > 1) lines.push(`Read ${input.records} records here`);
  if (nodes > 1 && total) lines.push(`All nodes together: ${total.records} records`);
  if (spilledBytes > 0) lines.push(`Spilled ${spilledBytes} bytes`);
  return lines.join("\n");
}

/** The summary for JSON, which has no bigints: checksums become hexadecimal. */
function forPrograms(summary: SortSummary): unknown {
  const plain = ({ records, bytes, sum }: Tally) => ({ records, bytes, checksum: formatSum(sum) });
  return {
    ...summary,
    input: plain(summary.input),
    output: plain(summary.output),
    ...(summary.total ? { total: plain(summary.total) } : {}),
  };
}
