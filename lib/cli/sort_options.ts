import { FailureCounter, Guard, isToken, TOKEN_FORM } from "../auth.ts";
import { parseDuration, parseSize } from "../config/values.ts";
import {
  DEFAULT_DIAL_TIMEOUT,
  DEFAULT_MEMORY,
  DEFAULT_STALL_TIMEOUT,
  MAX_TIMEOUT_MS,
  MIN_TIMEOUT_MS,
} from "../mesh/defaults.ts";
import { STANDARD_OUTPUT } from "../mesh/job/standard_output.ts";
import { parseNodes, parseNodesFile } from "../mesh/link/node_list.ts";
import type { PeerTlsFiles } from "../mesh/link/peer_tls.ts";
import type { RecordFormat } from "../mesh/records/record_format.ts";
import { MAX_MEMORY_BYTES, MIN_MEMORY_BYTES } from "../mesh/sort/slot_budget.ts";
import { defaultWorkers, MAX_WORKERS } from "../mesh/sort/sort_pool.ts";
import type { Partition } from "../mesh/sort/splitters.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { type CommandArguments, CommandError, type CommandOption, UsageError } from "./command.ts";
import { FORMAT_OPTIONS, OPERATION_OPTIONS, readFormatAndOperation } from "./records_format.ts";
import { SORT_FILE_OPTIONS, type SortFiles } from "./sort_files.ts";
import { readText } from "./server_options.ts";
import { wholeNumberOption } from "./whole_number.ts";

const DEFAULT_JOB = "sort";
const MAX_JOB_CHARACTERS = 100;
/** After this many wrong secrets, an address is not served until the window has passed. */
const MAX_FAILURES = 10;
const FAILURE_WINDOW_MS = 60_000;
const MIB = 1024 * 1024;

/** The options of `quartet sort`. */
export const SORT_OPTIONS: readonly CommandOption[] = [
  ...SORT_FILE_OPTIONS,
  {
    name: "nodes",
    value: "LIST",
    help: "all nodes in order, or a TOML or YAML file that lists them",
  },
  { name: "node", value: "I", help: "the number of this node, from 0" },
  { name: "listen", value: "ADDRESS", help: "where to listen (this node's address in --nodes)" },
  ...FORMAT_OPTIONS,
  ...OPERATION_OPTIONS,
  { name: "partition", value: "HOW", help: '"sample" (default) or "bits" of the key' },
  { name: "memory", value: "SIZE", help: `how much memory to use (${DEFAULT_MEMORY})` },
  {
    name: "threads",
    value: "N",
    help: `how many threads sort, up to ${MAX_WORKERS} (one for each processor)`,
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
];

/** What the command line of `quartet sort` says. */
export interface SortSettings extends SortFiles {
  node: number;
  addresses: Address[];
  listen: Address | undefined;
  format: RecordFormat;
  partition: Partition;
  memoryBytes: number;
  /** The number of worker threads. */
  workers: number;
  dialTimeoutMs: number;
  stallTimeoutMs: number;
  job: string;
  secret: Guard | undefined;
  tls: PeerTlsFiles | undefined;
  json: boolean;
}

/**
 * Reads the command line of `quartet sort`.
 *
 * @param files Its inputs and its output.
 * @throws {UsageError} If it is wrong.
 * @throws {CommandError} If a file that it names cannot be used.
 */
export function readSortSettings(args: CommandArguments, files: SortFiles): SortSettings {
  const addresses = readNodes(args.text("nodes"));
  const nodes = Math.max(1, addresses.length);
  const node = readNode(args.text("node"), nodes);
  if (nodes > 1 && (files.parts !== undefined || files.output === STANDARD_OUTPUT)) {
    throw new UsageError("with --nodes, OUTPUT has to be a file");
  }
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
    ...files,
    node,
    addresses,
    listen: listen === undefined ? addresses[node] : readAddress(listen),
    format: readFormatAndOperation(args),
    partition,
    memoryBytes: readMemory(args.text("memory") ?? DEFAULT_MEMORY),
    workers: readThreads(args),
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

function readThreads(args: CommandArguments): number {
  return wholeNumberOption(args, "threads", {
    min: 1,
    max: MAX_WORKERS,
    fallback: defaultWorkers(),
  });
}

function readTime(args: CommandArguments, name: string, otherwise: string): number {
  const text = args.text(name) ?? otherwise;
  const ms = parseDuration(text) ?? 0;
  if (ms <= 0 || ms > MAX_TIMEOUT_MS) {
    throw new UsageError(`--${name} "${text}" is not a time up to 24h such as "30s"`);
  }
  return ms;
}
