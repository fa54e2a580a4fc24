import { join } from "node:path";
import type { Log } from "../log.ts";

/** What systemd is told, in the words of sd_notify(3). */
export type Notice = "READY=1" | "RELOADING=1" | "STOPPING=1" | "WATCHDOG=1" | `STATUS=${string}`;

const encoder = new TextEncoder();

/**
 * Tells systemd how the daemon is, by the protocol of sd_notify(3): a datagram of lines to the
 * socket that `NOTIFY_SOCKET` names. Without that variable it does nothing, and so it does where
 * Deno has no datagrams over unix sockets (they want its flag `--unstable-net`).
 *
 * `RELOADING=1` goes without the time of a monotonic clock, which Deno does not have, so the unit's
 * type is `notify`, not `notify-reload`.
 */
export class SystemdNotifier implements Disposable {
  readonly #socket: Deno.DatagramConn | undefined;
  readonly #target: string;
  readonly #log: Log;
  #watchdog: ReturnType<typeof setInterval> | undefined;

  /**
   * @param dataDir Where the sending socket can be made; it is gone when this is disposed.
   * @param log Told why nothing can be sent.
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

  /** Sends notices, all in one datagram. */
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

  /** From now on says that it is alive, twice as often as `WATCHDOG_USEC` asks for. */
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
  // Once it is bound its name is of no use: nobody answers.
  Deno.removeSync(path);
  return socket;
}
