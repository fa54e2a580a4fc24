/**
 * Ports for programs that have to be told theirs. A port that the system has assigned and that is
 * closed again may be assigned to another program before it is used. These are below the range from
 * which the system assigns ports, and every test file has a block of its own.
 *
 * @module
 */

/** The ports from here up to the range from which Linux assigns ports. */
const FIRST_PORT = 10_000, END_PORT = 32_768;

/** The size of a block: several times the ports that a test needs at once. */
const BLOCK_PORTS = 32;

const BLOCKS = Math.floor((END_PORT - FIRST_PORT) / BLOCK_PORTS);

/** A block of ports that no other test file uses, in this or any other process. */
class PortBlock {
  readonly #firstPort: number;
  /** Listens on the first port for as long as this thread runs, which claims the block. */
  readonly #claim: Deno.Listener;
  #next = 1;

  constructor() {
    for (let block = Math.floor(BLOCKS * Math.random()), tries = 1;; block++, tries++) {
      const port = FIRST_PORT + BLOCK_PORTS * (block % BLOCKS);
      const claim = listen(port);
      if (claim === undefined) {
        if (tries < BLOCKS) continue;
        throw new Error("No block of ports is free");
      }
      this.#firstPort = port;
      this.#claim = claim;
      return;
    }
  }

  /** A port on which nothing listens. Each is used again as late as possible. */
  take(): number {
    for (let tries = 1; tries < BLOCK_PORTS; tries++) {
      const port = this.#firstPort + this.#next;
      this.#next = this.#next % (BLOCK_PORTS - 1) + 1;
      const listener = listen(port);
      if (listener === undefined) continue;
      listener.close();
      return port;
    }
    throw new Error(`No port is free after ${(this.#claim.addr as Deno.NetAddr).port}`);
  }
}

/** Listens on a port, if it is free. */
function listen(port: number): Deno.Listener | undefined {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}

const block = new PortBlock();

/** Loopback ports on which nothing listens, and which no other test takes. */
export function freePorts(count: number): number[] {
  return Array.from({ length: count }, () => block.take());
}

/** One such port. */
export function freePort(): number {
  return block.take();
}
