import type { Log } from "../../log.ts";
import { Turn } from "../../turn.ts";
import { TimeLimit } from "../time_limit.ts";
import { CLOSE_CODE } from "./protocol.ts";
import type { WebSocketSocket } from "./socket.ts";

/** Options for {@linkcode KeepAlive}. */
export interface KeepAliveOptions {
  /**
   * A client that has been silent for this long is pinged; for twice as long, it is dropped. 0 for
   * never.
   */
  pingMs: number;
  /** The conversation is ended after this long without a message in either direction; 0 for never. */
  idleMs: number;
  log: Log;
}

/**
 * How many checks there are in `pingMs`. However long this process was held up, that is one check,
 * and an answer that arrived meanwhile is read before the next.
 */
const CHECKS = 4;
const CHECK_MIN_MS = 5;

/** What was seen of a client at the last check, and how many checks have found it silent since. */
interface Seen {
  received: number;
  sent: number;
  silent: number;
}

/**
 * Pings silent WebSocket clients, drops those that do not answer, and ends conversations without
 * messages. A timer for all of them, so that an active client costs nothing.
 */
export class KeepAlive implements Disposable {
  readonly #log: Log;
  readonly #seen = new Map<WebSocketSocket, Seen>();
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #idleLimit: TimeLimit<WebSocketSocket>;
  #checking = false;

  constructor({ pingMs, idleMs, log }: KeepAliveOptions) {
    this.#log = log;
    this.setPingInterval(pingMs);
    this.#idleLimit = new TimeLimit({
      limitMs: idleMs,
      connections: () => this.#seen.keys(),
      stateOf: ({ activity, heldBack }) => heldBack ? 0 : 1 + activity,
      onOver: (socket) => {
        this.#log.debug("Client idle for too long", { client: socket.connection.id });
        socket.end({ code: CLOSE_CODE.POLICY, reason: "idle for too long" });
      },
    });
  }

  /** Changes {@linkcode KeepAliveOptions.pingMs}. */
  setPingInterval(pingMs: number): void {
    clearInterval(this.#timer);
    const everyMs = Math.max(CHECK_MIN_MS, pingMs / CHECKS);
    this.#timer = pingMs > 0 ? setInterval(() => this.#check(), everyMs) : undefined;
  }

  /** Changes {@linkcode KeepAliveOptions.idleMs}. */
  setIdleLimit(idleMs: number): void {
    this.#idleLimit.setLimit(idleMs);
  }

  /** Watches a client while a function serves it. */
  async whileServing(socket: WebSocketSocket, serve: () => Promise<void>): Promise<void> {
    this.#seen.set(socket, { ...socket.progress, silent: 0 });
    try {
      await serve();
    } finally {
      this.#seen.delete(socket);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#idleLimit[Symbol.dispose]();
  }

  async #check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    const turn = new Turn();
    for (const [socket, seen] of this.#seen) {
      this.#checkOne(socket, seen);
      if (turn.over) await turn.next();
    }
    this.#checking = false;
  }

  #checkOne(socket: WebSocketSocket, seen: Seen): void {
    const { reading, writing } = socket;
    const { received, sent } = socket.progress;
    const alive = received !== seen.received || (writing && sent !== seen.sent);
    // A client that is not read cannot answer; the server may be waiting for others.
    const unheard = !reading && !writing;
    seen.received = received;
    seen.sent = sent;
    seen.silent = alive || unheard ? 0 : seen.silent + 1;
    if (seen.silent === CHECKS) {
      socket.ping();
    } else if (seen.silent === 2 * CHECKS) {
      this.#log.debug("Client does not answer pings", { client: socket.connection.id });
      socket.close();
    }
  }
}
