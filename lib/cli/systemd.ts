import { join } from "node:path";
import type { Log } from "../log.ts";

/** A message to systemd, as defined by sd_notify(3). */
export type Notice = "READY=1" | "RELOADING=1" | "STOPPING=1" | "WATCHDOG=1" | `STATUS=${string}`;

const encoder = new TextEncoder();

/**
 * Reports the state of the daemon to systemd with the protocol of sd_notify(3): a datagram of lines
 * to the socket that `NOTIFY_SOCKET` names. It does nothing without that variable, or where Deno has
 * no datagrams over unix sockets (they need its flag `--unstable-net`).
 *
 * The unit's type is `notify`, not `notify-reload`: the latter needs a monotonic timestamp with
 * `RELOADING=1`, and Deno offers no such clock.
 */
export class SystemdNotifier implements Disposable {
  readonly #socket: Deno.DatagramConn | undefined;
  readonly #target: string;
  readonly #log: Log;
  #watchdog: ReturnType<typeof setInterval> | undefined;

  /**
   * @param dataDir Where to create the sending socket; the file is removed at once.
   * @param log Receives the reason if nothing can be sent.
   */
  constructor(dataDir: string, log: Log) {
    this.#log = log;
    this.#target = Deno.env.get("NOTIFY_SOCKET") ?? "";
    if (this.#target === "") return;
    try {
      this.#socket = openSocket(this.#target, dataDir);
    } catch (error) {
      log.warn("Cannot notify systemd", { error: String(error) });
    }
  }

  /** Sends notices in one datagram. */
  async send(...notices: Notice[]): Promise<void> {
    try {
      await this.#socket?.send(encoder.encode(notices.join("\n")), {
        transport: "unixpacket",
        path: this.#target,
      });
    } catch (error) {
      this.#log.warn("Cannot notify systemd", { error: String(error) });
    }
  }

  /** Starts to report that the daemon is alive, twice as often as `WATCHDOG_USEC` requires. */
  startWatchdog(): void {
    const everyMs = Number(Deno.env.get("WATCHDOG_USEC") ?? 0) / 2000;
    if (this.#socket === undefined || !(everyMs > 0)) return;
    this.#watchdog = setInterval(() => this.send("WATCHDOG=1"), everyMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#watchdog);
    this.#socket?.close();
  }
}

function openSocket(target: string, dataDir: string): Deno.DatagramConn {
  if (target.startsWith("@")) throw new TypeError("Deno cannot send to abstract sockets");
  if (typeof Deno.listenDatagram !== "function") throw new TypeError("It needs --unstable-net");
  const path = join(dataDir, `notify-${Deno.pid}.sock`);
  const socket = Deno.listenDatagram({ transport: "unixpacket", path });
  // The name is not needed once the socket is bound: systemd never replies.
  Deno.removeSync(path);
  return socket;
}
