import { LoadSockets } from "../support/load_sockets.ts";
import type { Measurement } from "../support/measure.ts";
import { measureSockets } from "../support/measure_sockets.ts";
import { residentBytes } from "../support/usage.ts";
import type { ServerProcess } from "../support/servers.ts";

const encoder = new TextEncoder();
const RESERVE = encoder.encode("reserve\r\n");
const LF = 0x0a;
const SPACE = 0x20;

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
  // The reply that each connection waits for: 0 to a put, 1 to a reserve, 2 to a delete.
  const phase = new Uint8Array(load.connections);
  const linesLeft = new Uint8Array(load.connections).fill(1);
  function onReceived(index: number, bytes: number): number {
    const { received } = sockets;
    for (let at = 0; at < bytes; at++) if (received[at] === LF) linesLeft[index]!--;
    if (linesLeft[index]! > 0) return 0;
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
      sockets.send(index, put);
      return 1;
    }
    return 0;
  }
  for (let index = 0; index < load.connections; index++) sockets.send(index, put);
  return await measureSockets(server, sockets, { seconds: load.seconds, onReceived });
}

/** Measures puts, one at a time on each connection; the jobs stay. */
export async function measurePuts(
  server: ServerProcess,
  load: { connections: number; bodyBytes: number; seconds: number },
): Promise<Measurement> {
  using sockets = new LoadSockets();
  sockets.connect(server.port, load.connections);
  const put = putCommand(load.bodyBytes);
  function onReceived(index: number): number {
    sockets.send(index, put);
    return 1;
  }
  for (let index = 0; index < load.connections; index++) sockets.send(index, put);
  return await measureSockets(server, sockets, { seconds: load.seconds, onReceived });
}

/** Puts this many jobs, in batches. */
export function fill(
  server: { port: number },
  count: number,
  { bodyBytes, delaySeconds = 0 }: { bodyBytes: number; delaySeconds?: number },
): void {
  using sockets = new LoadSockets();
  sockets.connect(server.port, 1);
  const job = `0 ${delaySeconds} 120 ${bodyBytes}\r\n${"x".repeat(bodyBytes)}\r\n`;
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

/** How many jobs of a server are ready. */
export async function readyJobs({ port }: { port: number }): Promise<number> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(encoder.encode("stats\r\n"));
  const reply = new Uint8Array(64 * 1024);
  const length = await conn.read(reply) ?? 0;
  const text = new TextDecoder().decode(reply.subarray(0, length));
  return Number(/^current-jobs-ready: (\d+)$/m.exec(text)![1]);
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
