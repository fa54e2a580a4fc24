import { delay } from "@std/async/delay";
import {
  type BeanstalkClient,
  type BeanstalkReply,
  ConnectionLostError,
} from "../task/beanstalk/client.ts";

/** The longest time of the protocol, in seconds. */
const MAX_WAIT_S = 2 ** 32 - 1;

/** How often the connection may be lost without a reply in between, and the pause after each loss. */
const MAX_LOSSES = 20;
const PAUSE_MS = 250;

/** Waits for the results of jobs, over connections that may be lost. */
export class ResultWaiter {
  readonly #connect: () => Promise<BeanstalkClient>;
  readonly #pauseMs: number;
  #client: Promise<BeanstalkClient>;
  #losses = 0;
  #closed = false;

  /**
   * @param client The first connection.
   * @param connect Connects again after a loss, and keeps trying for a while.
   * @param pauseMs The pause after each loss.
   */
  constructor(
    client: BeanstalkClient,
    connect: () => Promise<BeanstalkClient>,
    pauseMs: number = PAUSE_MS,
  ) {
    this.#client = Promise.resolve(client);
    this.#connect = connect;
    this.#pauseMs = pauseMs;
  }

  /**
   * Waits for the result of a job, however often the connection is lost.
   *
   * @param onProgress Called with what its worker says meanwhile about its progress.
   * @throws {ConnectionLostError} If the server can no longer be reached, or has closed too many
   * connections in a row without a reply.
   * @throws {Error} What connecting throws.
   */
  async wait(
    id: string,
    onProgress?: (progress: Uint8Array) => void,
  ): Promise<BeanstalkReply> {
    const command = `wait ${id} ${MAX_WAIT_S}${onProgress === undefined ? "" : " progress"}`;
    while (true) {
      const current = this.#client;
      try {
        const reply = await (await current).ask(command);
        this.#losses = 0;
        if (reply.words[2] !== "reserved") return reply;
        onProgress?.(reply.body);
      } catch (error) {
        if (!(error instanceof ConnectionLostError) || this.#closed) throw error;
        // All waits lose the connection at once; the first one connects again for all.
        if (this.#client !== current) continue;
        if (++this.#losses > MAX_LOSSES) throw error;
        this.#client = delay(this.#pauseMs).then(() => this.#connect());
        this.#client.catch(() => {});
      }
    }
  }

  /** Closes the connection. Pending waits reject. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#client.then((client) => client.close(), () => {});
  }
}
