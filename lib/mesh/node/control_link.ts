import type { Connection } from "../../net/connection.ts";
import { LineReader } from "../../net/line_reader.ts";
import { SilenceWatch } from "../link/silence_watch.ts";
import type { MeshStatus } from "./console.ts";
import { type ControlMessage, parseControlMessage } from "./control_message.ts";

/** The longest message; the status of all jobs and nodes is the one that gets long. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;
/** A node with this much unsent data is considered stalled, and its link is closed. */
const MAX_UNSENT_BYTES = 4 * MAX_MESSAGE_BYTES;
/** Limit for the jobs in a status message; leaves room for the list of nodes. */
const MAX_STATUS_BYTES = MAX_MESSAGE_BYTES - 4096;

/** How long a node that shuts down waits for the others to take its last messages. */
const FLUSH_TIMEOUT_MS = 1000;

const encoder = new TextEncoder();

/**
 * Cuts a status down to what fits in a message, by leaving out jobs from the back of the queue.
 * Only waiting jobs can be that many: the number of finished ones is bounded.
 */
export function statusToTell({ jobs, up }: MeshStatus): MeshStatus {
  const sizes = jobs.map((job) => encoder.encode(JSON.stringify(job)).length + 1);
  let bytes = jobs.reduce((sum, { state }, i) => state === "waiting" ? sum : sum + sizes[i]!, 0);
  const told = jobs.filter(({ state }, i) => (
    state !== "waiting" || (bytes += sizes[i]!) <= MAX_STATUS_BYTES
  ));
  return { jobs: told, up };
}

/** Waits until all messages of these links are written, but at most for a second. */
export async function flushLinks(links: Iterable<ControlLink>): Promise<void> {
  const { promise: timeout, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, FLUSH_TIMEOUT_MS);
  await Promise.race([Promise.all([...links].map((link) => link.flushed())), timeout]);
  clearTimeout(timer);
}

/** The connection between node 0 and a member that carries jobs, their progress and their ends. */
export class ControlLink {
  readonly node: number;
  readonly #connection: Connection;
  readonly #input: Pick<Connection, "read">;
  readonly #stallTimeoutMs: number;
  #sent: Promise<void> = Promise.resolve();
  #unsentBytes = 0;

  /** @param input The connection, preceded by what was read from it already. */
  constructor(
    { node, connection, input, stallTimeoutMs }: {
      node: number;
      connection: Connection;
      input: Pick<Connection, "read">;
      stallTimeoutMs: number;
    },
  ) {
    this.node = node;
    this.#connection = connection;
    this.#input = input;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  /** Queues a message. If it cannot be sent, it is lost together with the link. */
  send(message: ControlMessage): void {
    const bytes = encoder.encode(`${JSON.stringify(message)}\n`);
    this.#unsentBytes += bytes.length;
    if (this.#unsentBytes > MAX_UNSENT_BYTES) return this.close();
    this.#sent = this.#sent.then(() => this.#connection.write(bytes)).then(
      () => {
        this.#unsentBytes -= bytes.length;
      },
      () => this.close(),
    );
  }

  /** Resolves when all queued messages are written, or the link is closed. */
  flushed(): Promise<void> {
    return this.#sent;
  }

  /**
   * Hands incoming messages to `take` until the link ends, and pings the other side.
   *
   * @throws {SyntaxError} If the other side sends anything else; this ends the link.
   */
  async listen(take: (message: ControlMessage) => void): Promise<void> {
    using watch = new SilenceWatch({
      timeoutMs: this.#stallTimeoutMs,
      onCheck: () => this.send({ kind: "ping" }),
      onSilent: () => this.close(),
    });
    const reader = new LineReader(this.#input, { maxLineBytes: MAX_MESSAGE_BYTES });
    const decoder = new TextDecoder();
    try {
      for (;;) {
        const lines = await reader.read();
        if (lines === null) return;
        watch.heard();
        for (let i = 0; i < lines.count; i++) {
          if (lines.isTooLong(i)) throw new SyntaxError("the message is too long");
          const message = parseControlMessage(decoder.decode(lines.line(i)));
          if (message.kind !== "ping") take(message);
        }
      }
    } finally {
      this.close();
    }
  }

  /** Closes the connection. */
  close(): void {
    this.#connection.close();
  }
}
