import process from "node:process";
import { LoadSockets } from "../support/load_sockets.ts";
import { cpuSeconds, residentBytes } from "../support/usage.ts";
import type { ServerProcess } from "../support/servers.ts";

/** What one run has measured. */
export interface Measurement {
  /** Cycles, or puts, a second. */
  perSecond: number;
  /** Processor seconds that the server used for a million of them. */
  serverCpuPerMillion: number;
  /** How much of one processor the load generator was using, as a part of 1. */
  loadBusy: number;
}

const encoder = new TextEncoder();
const RESERVE = encoder.encode("reserve\r\n");
const LF = 0x0a;
const SPACE = 0x20;

/** How long a run goes on before it counts, as a part of what counts. */
const WARM_UP = 0.5;

/**
 * Measures put + reserve + delete cycles, one command at a time on each connection.
 *
 * @param load How many connections, how large the bodies, and for how long.
 */
export async function measureCycles(
  server: ServerProcess,
  load: { connections: number; bodyBytes: number; seconds: number },
): Promise<Measurement> {
  using sockets = new LoadSockets();
  sockets.connect(server.port, load.connections);
  const put = putCommand(load.bodyBytes);
  const remove = new Uint8Array(40);
  remove.set(encoder.encode("delete "));
  // What each connection waits for: 0 for the answer to a put, 1 to a reserve, 2 to a delete.
  const phase = new Uint8Array(load.connections);
  const linesLeft = new Uint8Array(load.connections).fill(1);
  let cycles = 0;
  function onReceived(index: number, bytes: number): void {
    const { received } = sockets;
    for (let at = 0; at < bytes; at++) if (received[at] === LF) linesLeft[index]!--;
    if (linesLeft[index]! > 0) return;
    if (phase[index] === 0) {
      phase[index] = 1;
      linesLeft[index] = 2;
      sockets.send(index, RESERVE);
    } else if (phase[index] === 1) {
      phase[index] = 2;
      linesLeft[index] = 1;
      sockets.send(index, deleteCommand(remove, received));
    } else {
      phase[index] = 0;
      linesLeft[index] = 1;
      cycles++;
      sockets.send(index, put);
    }
  }
  for (let index = 0; index < load.connections; index++) sockets.send(index, put);
  return await measure(server, load.seconds, () => {
    cycles = 0;
    sockets.receive(onReceived);
    return cycles;
  });
}

/** Measures puts, one at a time on each connection; the jobs stay. */
export async function measurePuts(
  server: ServerProcess,
  load: { connections: number; bodyBytes: number; seconds: number },
): Promise<Measurement> {
  using sockets = new LoadSockets();
  sockets.connect(server.port, load.connections);
  const put = putCommand(load.bodyBytes);
  let puts = 0;
  function onReceived(index: number): void {
    puts++;
    sockets.send(index, put);
  }
  for (let index = 0; index < load.connections; index++) sockets.send(index, put);
  return await measure(server, load.seconds, () => {
    puts = 0;
    sockets.receive(onReceived);
    return puts;
  });
}

/** Puts so many jobs, in batches. */
export function fill(server: ServerProcess, count: number, bodyBytes: number): void {
  using sockets = new LoadSockets();
  sockets.connect(server.port, 1);
  const job = `0 0 120 ${bodyBytes}\r\n${"x".repeat(bodyBytes)}\r\n`;
  for (let left = count; left > 0;) {
    const size = Math.min(left, 1000);
    const batch = job.repeat(size);
    sockets.send(0, encoder.encode(`put-batch ${size} ${batch.length}\r\n${batch}\r\n`));
    for (let answered = false; !answered;) {
      sockets.receive((_, bytes) => answered = sockets.received[bytes - 1] === LF);
    }
    left -= size;
  }
}

/** The resident memory of a server in bytes. */
export function memoryOf(server: ServerProcess): Promise<number> {
  return residentBytes(server.pid);
}

async function measure(
  server: ServerProcess,
  seconds: number,
  round: () => number,
): Promise<Measurement> {
  const warm = performance.now() + WARM_UP * 1000 * seconds;
  while (performance.now() < warm) round();
  const serverBefore = await cpuSeconds(server.pid);
  const ownBefore = process.cpuUsage();
  const start = performance.now();
  const end = start + 1000 * seconds;
  let count = 0;
  let now = start;
  for (; now < end; now = performance.now()) count += round();
  const elapsed = (now - start) / 1000;
  const own = process.cpuUsage(ownBefore);
  const serverCpu = await cpuSeconds(server.pid) - serverBefore;
  return {
    perSecond: count / elapsed,
    serverCpuPerMillion: serverCpu / count * 1e6,
    loadBusy: (own.user + own.system) / 1e6 / elapsed,
  };
}

function putCommand(bodyBytes: number): Uint8Array<ArrayBuffer> {
  return encoder.encode(`put 0 0 120 ${bodyBytes}\r\n${"x".repeat(bodyBytes)}\r\n`);
}

/** The `delete` for the job in a reply "RESERVED <id> <bytes>". */
function deleteCommand(
  command: Uint8Array<ArrayBuffer>,
  reply: Uint8Array,
): Uint8Array<ArrayBuffer> {
  let from = reply.indexOf(SPACE) + 1;
  let to = "delete ".length;
  while (reply[from] !== SPACE) command[to++] = reply[from++]!;
  command[to++] = 0x0d;
  command[to++] = LF;
  return command.subarray(0, to);
}
