/**
 * The two clients of a stall: one sends commands that may take long, the other one measures how long
 * it has to wait meanwhile.
 *
 * @module
 */

import type { PingOrder, PingReport } from "./ping_worker.ts";

/** A client that sends requests and waits for the end of the replies. */
export class Sender implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #chunk = new Uint8Array(1024 * 1024);

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** Connects to a port. */
  static async connect(port: number): Promise<Sender> {
    return new Sender(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends requests, and reads until the reply to one more has come, which ends in `end`. */
  async run(requests: string, mark: string, end: string): Promise<void> {
    const read = this.#readUntil(end);
    const bytes = new TextEncoder().encode(requests + mark);
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
    await read;
  }

  async #readUntil(end: string): Promise<void> {
    let tail = "";
    while (!tail.endsWith(end)) {
      const count = await this.#conn.read(this.#chunk);
      if (count === null) throw new Error("Cannot continue: the server closed the connection");
      const last = this.#chunk.subarray(Math.max(0, count - end.length), count);
      tail = (tail + String.fromCharCode(...last)).slice(-end.length);
    }
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }
}

/** Another client, on its own thread. */
export class Other implements Disposable {
  readonly #worker = new Worker(new URL("ping_worker.ts", import.meta.url), { type: "module" });

  /** Connects to a port; sends the request again and again. */
  static async start(port: number, request: string): Promise<Other> {
    const other = new Other();
    await other.#tell({ port, request });
    return other;
  }

  /** The longest wait since the last call. */
  async report(): Promise<PingReport> {
    return await this.#tell("report");
  }

  #tell(order: PingOrder): Promise<PingReport> {
    return new Promise((resolve) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
      this.#worker.postMessage(order);
    });
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
