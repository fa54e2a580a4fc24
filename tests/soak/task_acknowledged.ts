import type { Address } from "../../lib/net/address.ts";
import { BeanstalkClient, ConnectionLostError } from "../../lib/task/beanstalk/client.ts";
import { below, type Part, pause, secretName } from "./part.ts";

const WORKERS = 2;
const BACKLOG_MAX = 200;
const TTR_SECONDS = 5;
const PAUSE_MS = 10;
/** The worker gives up waiting for jobs after this. */
const IDLE_MAX_MS = 60_000;

/** A UUID. */
const NAME_BYTES = 36;

const decoder = new TextDecoder();

/**
 * Puts jobs and works on them while the storage of the queue fails at times: every job that was
 * acknowledged is done, and none comes back once its end was acknowledged.
 */
export class TaskAcknowledged implements Part {
  readonly name = "jobs";
  readonly #address: Address;
  readonly #tube = secretName();
  readonly #bodyBytes: number;
  /** The jobs that are in the queue, by the names at the start of their bodies. */
  readonly #open = new Set<string>();
  /** The jobs whose end was acknowledged. */
  readonly #done = new Set<string>();
  #put = 0;
  #refused = 0;
  #lost = 0;

  constructor(address: Address, { bodyBytes }: { bodyBytes: number }) {
    this.#address = address;
    this.#bodyBytes = bodyBytes;
  }

  async run(stop: AbortSignal): Promise<string> {
    this.#done.clear();
    let producing = true;
    const before = { put: this.#put, refused: this.#refused, lost: this.#lost };
    const produce = async () => {
      while (!stop.aborted) await this.#reconnecting((client) => this.#produce(client, stop));
      producing = false;
    };
    const work = async () => {
      const isOver = () => !producing && this.#open.size === 0;
      while (!isOver()) await this.#reconnecting((client) => this.#work(client, isOver));
    };
    await Promise.all([produce(), ...Array.from({ length: WORKERS }, work)]);
    return `${this.#put - before.put} jobs put and done, ${this.#refused - before.refused} ` +
      `refused, ${this.#lost - before.lost} connections lost; nothing acknowledged is lost`;
  }

  /** Checks that a daemon has no job left. */
  async check(address: Address): Promise<void> {
    const client = await connect(address);
    const { words } = await client.ask(`stats-tube ${this.#tube}`);
    client.close();
    if (words[0] !== "NOT_FOUND") throw new Error(`the tube is still there: ${words}`);
  }

  async #reconnecting(work: (client: BeanstalkClient) => Promise<void>): Promise<void> {
    const client = await connect(this.#address);
    try {
      await work(client);
    } catch (error) {
      if (!(error instanceof ConnectionLostError)) throw error;
      this.#lost++;
      await pause(100);
    } finally {
      client.close();
    }
  }

  async #produce(client: BeanstalkClient, stop: AbortSignal): Promise<void> {
    await client.ask(`use ${this.#tube}`);
    while (!stop.aborted) {
      await pause(PAUSE_MS);
      if (this.#open.size > BACKLOG_MAX) continue;
      const name = crypto.randomUUID();
      const bytes = new TextEncoder().encode(name + "x".repeat(below(this.#bodyBytes)));
      const { words: [word] } = await client.ask(`put 0 0 ${TTR_SECONDS} ${bytes.length}`, bytes);
      if (word === "INSERTED") {
        // A worker may have done it before the reply was here.
        if (!this.#done.has(name)) this.#open.add(name);
        this.#put++;
      } else if (word === "OUT_OF_MEMORY" || word === "INTERNAL_ERROR") this.#refused++;
      else throw new Error(`the reply to put is ${word}`);
    }
  }

  async #work(client: BeanstalkClient, isOver: () => boolean): Promise<void> {
    await client.ask(`watch ${this.#tube}`);
    await client.ask("ignore default");
    let idleSinceMs = performance.now();
    while (!isOver()) {
      const { words: [word, id], body } = await client.ask("reserve-with-timeout 1");
      if (word === "INTERNAL_ERROR") continue;
      if (word === "TIMED_OUT") {
        const idleMs = performance.now() - idleSinceMs;
        if (idleMs > IDLE_MAX_MS && this.#open.size > 0) {
          throw new Error(`${this.#open.size} jobs do not come`);
        }
        continue;
      }
      if (word !== "RESERVED") throw new Error(`the reply to reserve is ${word}`);
      idleSinceMs = performance.now();
      const name = decoder.decode(body.subarray(0, NAME_BYTES));
      if (this.#done.has(name)) throw new Error(`job ${id} was done and has come back`);
      // If the connection is lost now, the job may be gone, or come again.
      this.#open.delete(name);
      const { words: [reply] } = await client.ask(`delete ${id}`);
      // The connection ends after this one.
      if (reply === "INTERNAL_ERROR") continue;
      if (reply === "DELETED") this.#done.add(name);
      else if (reply !== "NOT_FOUND") throw new Error(`the reply to delete is ${reply}`);
      // It took too long, and another worker has it now.
      else if (!this.#done.has(name)) this.#open.add(name);
    }
  }
}

async function connect(address: Address): Promise<BeanstalkClient> {
  if (address.transport !== "tcp") throw new Error("The clients speak TCP");
  return new BeanstalkClient(await Deno.connect(address));
}
