/** The part of a socket that a connection needs. */
export type Socket = Pick<Deno.Conn, "read" | "write" | "closeWrite" | "close"> & {
  /** Whether it does not read at the moment, as the client sends too much. @default {false} */
  readonly heldBack?: boolean;
};

/** A socket of the operating system. One of TCP has options. */
export type RawConn =
  & Socket
  & Pick<Deno.Conn, "remoteAddr">
  & Partial<Pick<Deno.TcpConn, "setNoDelay" | "setKeepAlive">>;

/** How many bytes each direction holds, like the buffers between two sockets. */
const MAX_BYTES = 64 * 1024;

/** One direction of a pipe. */
class OneWay {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** The writing end is closed. */
  #ended = false;
  /** The reading end is closed. */
  #abandoned = false;
  #changed = Promise.withResolvers<void>();

  async write(bytes: Uint8Array): Promise<number> {
    while (this.#bytes === MAX_BYTES && !this.#ended && !this.#abandoned) {
      await this.#changed.promise;
    }
    if (this.#ended) throw new Deno.errors.BadResource("This end is closed");
    if (this.#abandoned) throw new Deno.errors.BrokenPipe("The other end is closed");
    const taken = bytes.slice(0, MAX_BYTES - this.#bytes);
    if (taken.length > 0) this.#chunks.push(taken);
    this.#bytes += taken.length;
    this.#notify();
    return taken.length;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#bytes === 0 && !this.#ended && !this.#abandoned) await this.#changed.promise;
    if (this.#abandoned) throw new Deno.errors.BadResource("This end is closed");
    const first = this.#chunks[0];
    if (first === undefined) return null;
    const count = Math.min(first.length, into.length);
    into.set(first.subarray(0, count));
    if (count === first.length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(count);
    this.#bytes -= count;
    this.#notify();
    return count;
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  abandon(): void {
    this.#abandoned = true;
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Makes two connected ends inside this process that behave like a pair of sockets. */
export function pipe(): [Socket, Socket] {
  const there = new OneWay();
  const back = new OneWay();
  return [endOf(there, back), endOf(back, there)];
}

function endOf(out: OneWay, into: OneWay): Socket {
  return {
    read: (bytes) => into.read(bytes),
    write: (bytes) => out.write(bytes),
    closeWrite: () => Promise.resolve(out.end()),
    close: () => {
      out.end();
      into.abandon();
    },
  };
}
