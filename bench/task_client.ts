/**
 * A lean client of the beanstalk protocol for measurements: it makes as little work per command as
 * it can, so that what is measured is the server.
 *
 * @module
 */

/** What one run has measured. */
export interface CycleRate {
  cycles: number;
  seconds: number;
  perSecond: number;
}

const encoder = new TextEncoder();
const RESERVE = encoder.encode("reserve\r\n");
const LF = 0x0a;
const SPACE = 0x20;

/**
 * Runs put + reserve + delete cycles, one command at a time on each connection.
 *
 * @param port Of a server on this machine.
 * @param options How many connections, how large the bodies, and for how long.
 */
export async function runCycles(
  port: number,
  options: { connections: number; bodyBytes: number; durationMs: number },
): Promise<CycleRate> {
  const put = encoder.encode(
    `put 0 0 120 ${options.bodyBytes}\r\n${"x".repeat(options.bodyBytes)}\r\n`,
  );
  const conns = await Promise.all(
    Array.from(
      { length: options.connections },
      () => Deno.connect({ hostname: "127.0.0.1", port }),
    ),
  );
  let cycles = 0;
  const startMs = performance.now();
  const endMs = startMs + options.durationMs;
  await Promise.all(conns.map(async (conn) => {
    conn.setNoDelay(true);
    const buffer = new Uint8Array(options.bodyBytes + 256);
    const remove = new Uint8Array(40);
    remove.set(encoder.encode("delete "));
    while (performance.now() < endMs) {
      await exchange(conn, put, buffer, 1);
      await exchange(conn, RESERVE, buffer, 2);
      await exchange(conn, deleteCommand(remove, buffer), buffer, 1);
      cycles++;
    }
  }));
  const seconds = (performance.now() - startMs) / 1000;
  for (const conn of conns) conn.close();
  return { cycles, seconds, perSecond: cycles / seconds };
}

/** Sends a command and reads a reply of so many lines. */
async function exchange(
  conn: Deno.Conn,
  command: Uint8Array,
  buffer: Uint8Array,
  lines: number,
): Promise<void> {
  let sent = await conn.write(command);
  while (sent < command.length) sent += await conn.write(command.subarray(sent));
  let length = 0;
  let seen = 0;
  while (seen < lines) {
    const count = await conn.read(buffer.subarray(length));
    if (count === null) throw new Error("Cannot go on: the server closed the connection");
    for (let at = length; at < length + count; at++) if (buffer[at] === LF) seen++;
    length += count;
  }
}

/** The `delete` for the job in a reply "RESERVED <id> <bytes>". */
function deleteCommand(command: Uint8Array, reply: Uint8Array): Uint8Array {
  let from = reply.indexOf(SPACE) + 1;
  let to = "delete ".length;
  while (reply[from] !== SPACE) command[to++] = reply[from++]!;
  command[to++] = 0x0d;
  command[to++] = LF;
  return command.subarray(0, to);
}
