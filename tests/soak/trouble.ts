import fc from "fast-check";
import type { Address } from "../../lib/net/address.ts";
import { damaged } from "../fuzz/input.ts";
import {
  PORT_SAMPLES,
  type PortName,
  PROXY_SAMPLES,
  WEBSOCKET_HANDSHAKES,
} from "../fuzz/samples.ts";
import { below, type Part, pause } from "./part.ts";

/** How many inputs are made at a time for each port. */
const INPUTS = 50;
const PIECES_MAX = 5;

/**
 * Clients that send garbage, stop halfway, do not read, and vanish.
 *
 * @param ports The ports of the daemon.
 * @param clients The number of these clients.
 */
export function troublePart(ports: Readonly<Record<PortName, Address>>, clients: number): Part {
  return {
    name: "trouble",
    async run(stop) {
      const garbage = new Garbage();
      const names = Object.keys(ports) as PortName[];
      let connections = 0, bytes = 0;

      async function misbehave(): Promise<void> {
        while (!stop.aborted) {
          const name = names[below(names.length)]!;
          const address = ports[name];
          if (address.transport !== "tcp") continue;
          try {
            using conn = await Deno.connect({ hostname: address.hostname, port: address.port });
            connections++;
            const reading = below(2) === 0 ? discard(conn) : Promise.resolve();
            for (let pieces = below(PIECES_MAX); pieces >= 0 && !stop.aborted; pieces--) {
              const input = garbage.next(name);
              bytes += input.length;
              await Promise.race([conn.write(input), pause(200)]);
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
      return `${connections} connections, ${bytes} bytes of garbage`;
    },
  };
}

/** Endless garbage for each port. */
class Garbage {
  readonly #stock = new Map<PortName, Uint8Array[]>();

  /** The next input for a port. */
  next(name: PortName): Uint8Array {
    const kind = below(8);
    if (kind === 0) return crypto.getRandomValues(new Uint8Array(1 + below(2000)));
    if (kind === 1) return new Uint8Array(1 + below(60_000)).fill(below(256));
    const stock = this.#stock.get(name) ?? [];
    if (stock.length === 0) stock.push(...this.#make(name));
    this.#stock.set(name, stock);
    return stock.pop()!;
  }

  #make(name: PortName): Uint8Array[] {
    const samples = [...PORT_SAMPLES[name], ...PROXY_SAMPLES.slice(0, 2)];
    const inputs = fc.sample(damaged(samples), INPUTS);
    if (name !== "websocket") return inputs;
    // Most of these begin with a handshake, as otherwise they get nowhere.
    return inputs.map((input) => {
      const handshake = WEBSOCKET_HANDSHAKES[below(WEBSOCKET_HANDSHAKES.length + 1)] ?? "";
      return Uint8Array.from([...new TextEncoder().encode(handshake), ...input]);
    });
  }
}

async function discard(conn: Deno.Conn): Promise<void> {
  const scratch = new Uint8Array(4096);
  try {
    while (await conn.read(scratch) !== null);
  } catch {
    // The connection may end in any way.
  }
}
