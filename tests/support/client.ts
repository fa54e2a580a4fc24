import type { Address } from "../../lib/net/address.ts";
import { within } from "./within.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Thrown when the server closes the connection before everything expected has come. */
export class ClosedError extends Error {
  override name = "ClosedError";
}

/** A client for tests. Every read has a deadline of a minute. */
export class TestClient implements Disposable {
  readonly conn: Deno.Conn;
  /** Never written to once assigned, so parts of it can be returned. */
  #unread: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  readonly #chunk = new Uint8Array(65536);
  #closed = false;

  private constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  /** Connects. */
  static async connect(address: Address): Promise<TestClient> {
    const conn = address.transport === "tcp"
      ? await Deno.connect({ hostname: address.hostname, port: address.port })
      : await Deno.connect({ transport: "unix", path: address.path });
    return new TestClient(conn);
  }

  /** Wraps an open connection. */
  static of(conn: Deno.Conn): TestClient {
    return new TestClient(conn);
  }

  /** Sends all bytes. */
  async send(data: string | Uint8Array): Promise<void> {
    let bytes = typeof data === "string" ? encoder.encode(data) : data;
    while (bytes.length > 0) bytes = bytes.subarray(await this.conn.write(bytes));
  }

  /** Reads `count` bytes. */
  async bytes(count: number): Promise<Uint8Array> {
    while (this.#unread.length < count) {
      if (!await this.#fill()) {
        throw new ClosedError(`Closed after ${this.#unread.length} of ${count} bytes`);
      }
    }
    return this.#take(count);
  }

  /** Reads a line, including its newline. */
  async line(): Promise<string> {
    for (let from = 0;;) {
      const newline = this.#unread.indexOf(10, from);
      if (newline !== -1) return decoder.decode(this.#take(newline + 1));
      from = this.#unread.length;
      if (!await this.#fill()) {
        throw new ClosedError(
          `Closed within a line: ${JSON.stringify(decoder.decode(this.#unread))}`,
        );
      }
    }
  }

  /** Reads everything up to the end of the connection. */
  async rest(): Promise<string> {
    while (await this.#fill());
    return decoder.decode(this.#take(this.#unread.length));
  }

  /** Closes the writing side. */
  async closeWrite(): Promise<void> {
    await (this.conn as Deno.TcpConn).closeWrite();
  }

  /** Closes the connection. */
  close(): void {
    if (!this.#closed) this.conn.close();
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #fill(): Promise<boolean> {
    const reading = this.conn.read(this.#chunk);
    const count = await within(60_000, "bytes from the server", reading);
    if (count === null) return false;
    const unread = this.#unread;
    this.#unread = new Uint8Array(unread.length + count);
    this.#unread.set(unread);
    this.#unread.set(this.#chunk.subarray(0, count), unread.length);
    return true;
  }

  #take(count: number): Uint8Array {
    const taken = this.#unread.subarray(0, count);
    this.#unread = this.#unread.subarray(count);
    return taken;
  }
}
