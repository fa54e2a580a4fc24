/**
 * Another client: asks a server again and again, and reports the longest wait. It runs on a
 * thread of its own, so that the load does not delay it.
 *
 * @module
 */

/** What the worker is told: the port to connect to; then again and again to report. */
export type PingOrder = { port: number; request: string } | "report";

/** The longest wait since the last report, and the number of replies. */
export interface PingReport {
  maxMs: number;
  replies: number;
}

interface PingScope {
  onmessage: ((event: MessageEvent<PingOrder>) => void) | null;
  postMessage(report: PingReport): void;
}

/** Asks and keeps the longest wait. */
class Asker {
  #report: PingReport = { maxMs: 0, replies: 0 };

  /** The longest wait since the last call. */
  takeReport(): PingReport {
    const report = this.#report;
    this.#report = { maxMs: 0, replies: 0 };
    return report;
  }

  /** Connects, and then asks until the server closes the connection. */
  async ask(port: number, request: string, onConnected: () => void): Promise<void> {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    const bytes = new TextEncoder().encode(request), reply = new Uint8Array(1024);
    onConnected();
    for (;;) {
      const sentMs = performance.now();
      await conn.write(bytes);
      if (await conn.read(reply) === null) return;
      this.#report.maxMs = Math.max(this.#report.maxMs, performance.now() - sentMs);
      this.#report.replies++;
      // Leaves the processor to others for a while, which no wait includes.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

const scope = globalThis as unknown as PingScope;
const asker = new Asker();
scope.onmessage = ({ data }) => {
  if (data === "report") return scope.postMessage(asker.takeReport());
  const connected = () => scope.postMessage(asker.takeReport());
  // The server has ended, and the worker with it.
  asker.ask(data.port, data.request, connected).catch(() => {});
};
