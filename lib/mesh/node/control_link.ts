import type { Connection } from "../../net/connection.ts";
import { LineReader } from "../../net/line_reader.ts";
import type { MeshStatus } from "./console.ts";
import { type ControlMessage, parseControlMessage } from "./control_message.ts";

/** The longest message: the status of all jobs and nodes. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;
/** So much may wait to be sent to a node before it is taken for stalled. */
const MAX_UNSENT_BYTES = 4 * MAX_MESSAGE_BYTES;
const PINGS_PER_STALL = 4;
/** A status that is told has about so many bytes at most. */
const MAX_STATUS_BYTES = MAX_MESSAGE_BYTES - 4096;

const encoder = new TextEncoder();

/**
 * What of a status fits into a message: of the jobs that wait, those at the back of the queue are
 * left out if it does not. Those that are over are few.
 */
export function statusToTell({ jobs, up }: MeshStatus): MeshStatus {
  const sizes = jobs.map((job) => encoder.encode(JSON.stringify(job)).length + 1);
  let bytes = jobs.reduce((sum, { state }, i) => state === "waiting" ? sum : sum + sizes[i]!, 0);
  const told = jobs.filter(({ state }, i) => (
    state !== "waiting" || (bytes += sizes[i]!) <= MAX_STATUS_BYTES
  ));
  return { jobs: told, up };
}

/** A connection between node 0 and another node, on which jobs are arranged. */
export class ControlLink {
  readonly node: number;
  readonly #connection: Connection;
  readonly #input: Pick<Connection, "read">;
  readonly #stallTimeoutMs: number;
  #sent: Promise<void> = Promise.resolve();
  #unsentBytes = 0;
  #heardMs = performance.now();

  /** @param input Where to read from: the connection, or what was read from it already. */
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

  /** Sends a message; what cannot be sent is lost with the link. */
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

  /** Resolves when all that was sent has been taken, or the link is gone. */
  flushed(): Promise<void> {
    return this.#sent;
  }

  /**
   * Takes messages until the link ends.
   *
   * @throws {SyntaxError} If something else comes, which ends it.
   */
  async listen(take: (message: ControlMessage) => void): Promise<void> {
    const everyMs = this.#stallTimeoutMs / PINGS_PER_STALL;
    const timer = setInterval(() => {
      if (performance.now() - this.#heardMs > this.#stallTimeoutMs) this.close();
      else this.send({ kind: "ping" });
    }, everyMs);
    const reader = new LineReader(this.#input, { maxLineBytes: MAX_MESSAGE_BYTES });
    const decoder = new TextDecoder();
    try {
      for (;;) {
        const lines = await reader.read();
        if (lines === null) return;
        this.#heardMs = performance.now();
        for (let i = 0; i < lines.count; i++) {
          if (lines.isTooLong(i)) throw new SyntaxError("the message is too long");
          const message = parseControlMessage(decoder.decode(lines.line(i)));
          if (message.kind !== "ping") take(message);
        }
      }
    } finally {
      clearInterval(timer);
      this.close();
    }
  }

  /** Ends the link. */
  close(): void {
    this.#connection.close();
  }
}
