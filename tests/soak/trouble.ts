import type { Address } from "../../lib/net/address.ts";
import { below, pause, type Targets } from "./workload.ts";

const encoder = new TextEncoder();

/** Valid input, to be cut, repeated and mutated. No command in it empties a store. */
const PHRASES: readonly string[] = [
  "hello\n",
  "PUT a b\r\n",
  "GET a\r\nLIST a\n",
  "INCR a 99999999999999999999\n",
  "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
  "*2\r\n$4\r\nMGET\r\n$99999999\r\n",
  "*1000000\r\n$1\r\n",
  "HELLO 3\r\nMULTI\r\nGET a\r\nEXEC\r\n",
  "put 0 0 10 5\r\nhello\r\n",
  "put 4294967296 0 0 999999999\r\n",
  "reserve-with-timeout 0\r\nstats\r\npeek 1\r\n",
  "SORT ../../etc/passwd out\n",
  "STATUS\nNODES\n",
  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
  "POST /services/echo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n{",
  "AUTH\n",
];

/** Counts of what the misbehaving clients did. */
export interface TroubleReport {
  connections: number;
  bytes: number;
}

/** Runs clients that send garbage, stop halfway, do not read and vanish, until `stop` aborts. */
export async function makeTrouble(
  targets: Targets,
  stop: AbortSignal,
  clients: number,
): Promise<TroubleReport> {
  const report = { connections: 0, bytes: 0 };
  const addresses = Object.values(targets) as Address[];
  async function misbehave(): Promise<void> {
    while (!stop.aborted) {
      const address = addresses[below(addresses.length)]!;
      if (address.transport !== "tcp") continue;
      try {
        using conn = await Deno.connect({ hostname: address.hostname, port: address.port });
        report.connections++;
        const reading = below(2) === 0 ? discard(conn) : Promise.resolve();
        for (let pieces = below(5); pieces >= 0 && !stop.aborted; pieces--) {
          const bytes = garbage();
          report.bytes += bytes.length;
          await Promise.race([conn.write(bytes), pause(200)]);
          if (below(4) === 0) await pause(below(100));
        }
        if (below(3) === 0) await Promise.race([conn.closeWrite(), pause(50)]);
        await Promise.race([reading, pause(below(50))]);
      } catch (error) {
        // The daemon may hang up on such a client, but it must keep listening.
        if (error instanceof Deno.errors.ConnectionRefused) throw error;
        await pause(1);
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, misbehave));
  return report;
}

async function discard(conn: Deno.Conn): Promise<void> {
  const scratch = new Uint8Array(4096);
  try {
    while (await conn.read(scratch) !== null);
  } catch {
    // The connection may end in any way.
  }
}

function garbage(): Uint8Array {
  const kind = below(4);
  if (kind === 0) return crypto.getRandomValues(new Uint8Array(1 + below(2000)));
  if (kind === 1) return new Uint8Array(1 + below(60_000)).fill(below(256));
  const phrases = Array.from({ length: 1 + below(20) }, () => PHRASES[below(PHRASES.length)]!);
  const bytes = encoder.encode(phrases.join(""));
  if (kind === 2) { for (let i = below(10); i > 0; i--) bytes[below(bytes.length)] = below(256); }
  return bytes.subarray(0, 1 + below(bytes.length));
}
