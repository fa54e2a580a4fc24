/**
 * The mesh service: daemons that sort a data set together. Clients send commands in lines, peers
 * send frames, and both use one port; the first word of a connection tells them apart.
 *
 * @module
 */

import { isAbsolute, join, resolve } from "node:path";
import {
  listenerLimits,
  listenerOptions,
  LIVE_LIMITS,
  serviceRates,
  tlsFiles,
} from "../config/service_keys.ts";
import { ClientList } from "../net/client_list.ts";
import type { Connection } from "../net/connection.ts";
import { loginByLine } from "../net/line_login.ts";
import { LineReader } from "../net/line_reader.ts";
import { LINE_REPLIES } from "../net/line_replies.ts";
import { Listener } from "../net/listener.ts";
import { connectionMetrics } from "../net/listener_metrics.ts";
import { beginLogin, type Login } from "../net/login.ts";
import { ReadBuffer } from "../net/read_buffer.ts";
import type { RunningService, Service, ServiceContext } from "../service.ts";
import { workerSources } from "../worker.ts";
import { meshActions } from "./actions.ts";
import { type MeshConfig, meshConfigSchema } from "./config.ts";
import {
  HELP_LINES,
  historyLines,
  MAX_COMMAND_BYTES,
  parseCommand,
  statusLines,
} from "./node/console.ts";
import { CONSOLE_RIGHTS, meshRights } from "./rights.ts";
import { ConsoleMetrics } from "./node/console_metrics.ts";
import { CoordinatorNode } from "./node/coordinator_node.ts";
import { DecisionLog } from "./node/decision_log.ts";
import { admitPeer } from "./link/admit_peer.ts";
import { isTlsHandshake, readFirstLine } from "./link/first_line.ts";
import { HELLO, MAX_HELLO_BYTES } from "./link/hello.ts";
import { JobLog } from "./node/job_log.ts";
import { MemberNode } from "./node/member_node.ts";
import type { MeshLimits, MeshNode } from "./node/mesh_node.ts";
import { readTrust } from "./link/peer_tls.ts";
import { demandProof } from "./link/proof.ts";
import { workersBesideOthers } from "./sort/sort_pool.ts";
import { WorkerStarter } from "./sort/worker_starter.ts";
import { removeStaleFiles } from "./node/stale_files.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NEWLINE = 0x0a;
const SNIFFED_BYTES = Math.max(HELLO.PEER.length, HELLO.CONTROL.length);
/** Replies are batched up to about this size: a few bytes of commands can ask for megabytes. */
const JOINED_REPLY_CHARACTERS = 64 * 1024;
/** How the lists of connections describe those of each kind. */
const CONSOLE = { describe: () => ({ protocol: "console" }) };
const PEER = { describe: () => ({ protocol: "peer", state: "takes part in a sort" }) };
const CONTROL = { describe: () => ({ protocol: "control", state: "is a node" }) };
/** Ends a reply of several lines. */
const END_LINE = "END";

/** The keys that can change while it runs. */
const LIVE_KEYS = [
  ...LIVE_LIMITS,
  "memory",
  "max_line",
  "dial_timeout",
  "stall_timeout",
  "max_queue",
] as const;

/** The entry of mesh in the table of services. */
export const mesh: Service<MeshConfig> = {
  name: "mesh",
  schema: meshConfigSchema,
  rights: meshRights,
  proves: ({ nodes }) => nodes.length > 1,
  live: LIVE_KEYS,
  addresses: (config) => [config.listen],
  needs: ({ node, nodes, dir, tls }) => ({
    connects: nodes.filter((_, other) => other !== node),
    reads: [workerSources(), ...(tls?.ca === undefined ? [] : [tls.ca])],
    writes: isAbsolute(dir) ? [dir] : [],
    sys: ["statfs"],
  }),
  start,
};

async function start(config: MeshConfig, context: ServiceContext): Promise<RunningService> {
  const { log, dataDir } = context;
  const directory = resolve(dataDir, config.dir);
  const spillDir = join(dataDir, "spill");
  const stateDir = join(dataDir, "mesh");
  for (const path of [directory, spillDir, stateDir]) await Deno.mkdir(path, { recursive: true });
  const doubts = await removeStaleFiles(spillDir, directory, log);
  const kept = config.node > 0 ? undefined : {
    decisions: await DecisionLog.open(stateDir),
    ...await JobLog.open(join(stateDir, "jobs.log"), log),
  };
  const { tls } = config;
  const readTlsTrust = () => tls && readTrust({ ...tlsFiles(tls), ca: tls.ca });
  let trust = readTlsTrust();
  const connected = new ClientList(log, serviceRates(config));
  const listener = await Listener.listen(config.listen, {
    clients: connected,
    maxClients: config.max_clients,
    idleTimeoutMs: config.idle_timeout,
    ...listenerOptions(config),
    ...LINE_REPLIES,
    log,
    handle: async (connection) => {
      using login = beginLogin(connection, context);
      await serve(connection, login, { node, consoleMetrics });
    },
  });
  const consoleMetrics = new ConsoleMetrics();
  const starter = new WorkerStarter();
  const options = {
    node: config.node,
    addresses: config.nodes,
    directory,
    spillDir,
    partition: config.partition,
    workers: workersBesideOthers(),
    startWorker: (name: string, module: string) => starter.start(name, module),
    doubts,
    ...meshLimits(config),
    secret: context.guard,
    trust: () => trust,
    log,
  };
  const node = kept ? new CoordinatorNode({ ...options, ...kept }) : new MemberNode(options);
  return {
    addresses: [listener.address],
    queries: connected.queries,
    actions: { ...connected.actions, ...meshActions(node) },
    problems: () => node.problems(),
    reread: () => {
      const next = readTlsTrust();
      listener.reloadTls();
      trust = next;
    },
    adjust: (next: MeshConfig) => {
      listener.setLimits(listenerLimits(next));
      connected.rateLimits.setRates(serviceRates(next));
      node.setLimits(meshLimits(next));
    },
    metrics: () => [
      ...connected.rateLimits.metrics("mesh"),
      ...connectionMetrics("mesh", listener.metrics()),
      ...consoleMetrics.metrics(),
      ...node.metrics(),
    ],
    status: () => ({ ...node.status, notes: node.notices() }),
    finishLongWork: () => node.finishRunning(),
    drain: async (deadline) => {
      await node.drain(deadline);
      starter[Symbol.dispose]();
      await listener.drain(deadline);
    },
  };
}

function meshLimits(config: MeshConfig): MeshLimits {
  return {
    memoryBytes: config.memory,
    maxLineBytes: config.max_line,
    dialTimeoutMs: config.dial_timeout,
    stallTimeoutMs: config.stall_timeout,
    maxQueue: config.max_queue,
  };
}

/** What every connection is served with. */
interface Shared {
  node: MeshNode;
  consoleMetrics: ConsoleMetrics;
}

async function serve(
  connection: Connection,
  login: Login | undefined,
  { node, consoleMetrics }: Shared,
): Promise<void> {
  const buffer = new ReadBuffer({ maxBytes: MAX_HELLO_BYTES });
  // Only people are limited: nodes send data and orders.
  const { rateLimits } = connection;
  rateLimits?.enter(connection);
  connection.rateLimits = undefined;
  while (buffer.end - buffer.start < SNIFFED_BYTES && !unread(buffer).includes(NEWLINE)) {
    if (!await buffer.fill(connection)) break;
  }
  const opening = decoder.decode(unread(buffer));
  const isPeer = opening.startsWith(HELLO.PEER);
  if (!isPeer && !opening.startsWith(HELLO.CONTROL) && !isTlsHandshake(buffer)) {
    const limits = { maxLineBytes: MAX_COMMAND_BYTES };
    const reader = new LineReader(connection, limits, unread(buffer));
    if (login !== undefined && !await loginByLine(connection, reader, login)) return;
    connection.client = CONSOLE;
    connection.rateLimits = rateLimits;
    return await serveConsole(connection, reader, { node, consoleMetrics, login });
  }
  connection.client = isPeer ? PEER : CONTROL;
  const first = await readFirstLine(connection, buffer);
  if (!first || !await demandProof(connection, first, login)) return;
  if (isPeer) return await admitPeer({ connection, ...first }, (hello) => node.findMeeting(hello));
  const text = first.line.slice(HELLO.CONTROL.length);
  await node.serveControl(connection, text, first.buffer);
}

function unread({ bytes, start, end }: ReadBuffer): Uint8Array {
  return bytes.subarray(start, end);
}

/** What a console is served with. */
interface SharedWithConsole extends Shared {
  login: Login | undefined;
}

async function serveConsole(
  connection: Connection,
  reader: LineReader,
  shared: SharedWithConsole,
): Promise<void> {
  for (;;) {
    const lines = await reader.read();
    if (lines === null) return;
    let replies = "";
    let quit = false;
    for (let i = 0; i < lines.count && !quit; i++) {
      const line = lines.isTooLong(i) ? undefined : decoder.decode(lines.line(i));
      if (line?.trim() === "") continue;
      quit = /^\s*quit\s*$/i.test(line ?? "");
      for (const reply of await answer(line, shared)) replies += `${reply}\n`;
      if (replies.length < JOINED_REPLY_CHARACTERS) continue;
      await connection.write(encoder.encode(replies));
      replies = "";
    }
    if (replies.length > 0) await connection.write(encoder.encode(replies));
    if (quit) return;
  }
}

async function answer(
  line: string | undefined,
  { node, consoleMetrics, login }: SharedWithConsole,
): Promise<string[]> {
  if (line === undefined) {
    consoleMetrics.mistake();
    return [`ERR line too long (limit ${MAX_COMMAND_BYTES} bytes)`];
  }
  try {
    const command = parseCommand(line);
    const right = CONSOLE_RIGHTS[command.word];
    if (right !== undefined && login?.rights?.allows(right) === false) {
      login.refuse(right);
      return [`ERR no right to ${command.word}: the token needs "${right}"`];
    }
    consoleMetrics.command(command.word);
    switch (command.word) {
      case "STATUS":
        return [
          ...statusLines(node.status),
          ...node.notices().map((text) => `note ${text}`),
          END_LINE,
        ];
      case "HISTORY":
        return [...historyLines(node.status), END_LINE];
      case "RETRY":
        return [await node.retry(command.job)];
      case "NODES":
        return [...node.nodeLines(), END_LINE];
      case "SORT":
      case "COUNT":
        return [await node.submit(command)];
      case "CANCEL":
        return [await node.cancel(command.job)];
      case "HELP":
        return [...HELP_LINES, END_LINE];
      case "QUIT":
        return ["OK"];
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    consoleMetrics.mistake();
    return [`ERR ${error.message}`];
  }
}
