/**
 * One daemon of a mesh. Node 0 keeps the queue of jobs and has a control link to each of the
 * others; a job has links of its own, between all nodes, for as long as it runs.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Log } from "../../log.ts";
import type { Metric } from "../../metrics.ts";
import type { Connection } from "../../net/connection.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import { callNode, nodeName } from "../link/call.ts";
import type { MeshCommand, MeshStatus } from "./console.ts";
import { ControlLink, statusToTell } from "./control_link.ts";
import type { ControlMessage, JobOrder } from "./control_message.ts";
import {
  encodeHello,
  HELLO,
  type Hello,
  helloDifference,
  MESH_VERSION,
  parseHello,
} from "../link/hello.ts";
import { MeshFigures } from "./figures.ts";
import { withUnread } from "../link/first_line.ts";
import { JobQueue } from "./job_queue.ts";
import { JobRunner, type JobRunnerOptions } from "./job_runner.ts";
import type { Meeting } from "../link/meeting.ts";
import { DEFAULT_RECORD_FORMAT } from "../records/record_format.ts";
import type { SortSummary } from "../job/sort_job.ts";

const CONTROL_JOB = "control";
const REDIAL_MS = 1000;
const DIAL_MS = 5000;
/** How often nodes tell how far they are, and node 0 tells everybody. */
const PROGRESS_MS = 250;
/** How long node 0 may take to answer what another node asks for a person. */
const REPLY_MS = 10_000;
/** How long a node that stops waits until others have taken what it has told them. */
const FLUSH_MS = 1000;

/** One daemon of a mesh. */
export class MeshNode {
  readonly #options: JobRunnerOptions;
  readonly #log: Log;
  /** On node 0. */
  readonly #queue: JobQueue | undefined;
  /** To the others on node 0, to node 0 on the others. */
  readonly #links = new Map<number, ControlLink>();
  /** Why a node cannot be reached; on node 0. */
  readonly #whyNot = new Map<number, string>();
  readonly #requests = new Map<number, (reply: string) => void>();
  readonly #over = new AbortController();
  readonly #dialling: Promise<void>[] = [];
  #lastRequest = 0;
  #status: MeshStatus = { jobs: [], up: [] };
  #runner: JobRunner | undefined;
  #running: Promise<void> = Promise.resolve();
  #statusTimer: ReturnType<typeof setTimeout> | undefined;
  #draining = false;
  readonly #figures = new MeshFigures();

  constructor(options: JobRunnerOptions & { maxQueue: number; log: Log }) {
    this.#options = options;
    this.#log = options.log;
    if (options.node !== 0) return;
    this.#queue = new JobQueue({
      nodes: this.#nodes,
      maxWaiting: options.maxQueue,
      start: (order) => this.#startEverywhere(order),
      stop: (key, reason) => this.#stopEverywhere(key, reason),
      onChange: () => this.#statusSoon(),
    });
    for (let node = 1; node < this.#nodes; node++) this.#dialling.push(this.#keepLink(node));
  }

  /** What it has counted, and how far the job is that runs. */
  metrics(): Metric[] {
    const job = this.status.jobs.find(({ state }) => state === "running");
    return this.#figures.metrics(job?.progress.find(({ node }) => node === this.#options.node));
  }

  /** Why no job can be sorted at the moment. */
  problems(): string[] {
    const { node, addresses } = this.#options;
    const needed = node === 0 ? addresses.map((_, i) => i).slice(1) : [0];
    return needed.filter((other) => !this.#links.has(other)).map((other) => {
      const why = this.#whyNot.get(other);
      return `${nodeName(other, addresses[other])} is not connected${why ? `: ${why}` : ""}`;
    });
  }

  /** The meeting that a peer is for, or why there is none. */
  findMeeting(hello: Hello): Meeting | string {
    const meeting = this.#runner?.meeting;
    return meeting && this.#runner?.order.key === hello.job ? meeting : "the job is not known here";
  }

  /** Serves node 0, which has said the hello. */
  async serveControl(
    connection: Connection,
    text: string,
    rest: Pick<Connection, "read">,
  ): Promise<void> {
    const theirs = parseHello(text);
    const mine = this.#hello(0);
    const difference = theirs ? helloDifference(mine, theirs) : "the hello cannot be read";
    const reason = difference ?? (theirs!.node === 0 ? undefined : "node 0 arranges the jobs");
    if (reason !== undefined) {
      this.#log.warn("Refused a control link", { address: connection.remote, reason });
      return await connection.write(new TextEncoder().encode(`${HELLO.ERR}${reason}\n`));
    }
    await connection.write(encodeHello(HELLO.OK, mine));
    // A newer link replaces one that has not noticed yet that it is broken.
    this.#links.get(0)?.close();
    const { stallTimeoutMs } = this.#options;
    await this.#useLink(new ControlLink({ node: 0, connection, input: rest, stallTimeoutMs }));
  }

  /** Does what a person asks for; the lines of the answer. */
  async command(command: MeshCommand): Promise<string[]> {
    switch (command.word) {
      case "SORT":
        if (this.#draining) return ["ERR draining"];
        return [await this.#submit(command)];
      case "CANCEL":
        return [await this.#cancel(command.job)];
      case "NODES":
        return this.#nodeLines();
      default:
        return [];
    }
  }

  /** The jobs as node 0 has told last. */
  get status(): MeshStatus {
    return this.#queue ? { jobs: this.#queue.status(), up: this.#up() } : this.#status;
  }

  /** Waits for the job that runs, and takes no more. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.#draining = true;
    this.#queue?.close();
    const stop = () => this.#runner?.stop();
    if (deadline.aborted) stop();
    deadline.addEventListener("abort", stop, { once: true });
    await this.#running;
    deadline.removeEventListener("abort", stop);
    // Or node 0 would take a job for failed that is done: its end was told a moment ago.
    const flushed = Promise.all(this.#links.values().map((link) => link.flushed()));
    const tooLate = delay(FLUSH_MS, { signal: this.#over.signal }).catch(() => {});
    await Promise.race([flushed, tooLate]);
    this.#over.abort();
    clearTimeout(this.#statusTimer);
    for (const link of this.#links.values()) link.close();
    for (const reply of this.#requests.values()) reply("ERR draining");
    await Promise.all(this.#dialling);
  }

  get #nodes(): number {
    return Math.max(1, this.#options.addresses.length);
  }

  #hello(to: number): Hello {
    const { node, partition } = this.#options;
    return {
      version: MESH_VERSION,
      job: CONTROL_JOB,
      node,
      to,
      nodes: this.#nodes,
      format: DEFAULT_RECORD_FORMAT,
      partition,
    };
  }

  #up(): number[] {
    return [this.#options.node, ...this.#links.keys()].sort((a, b) => a - b);
  }

  #nodeLines(): string[] {
    const { node, addresses } = this.#options;
    const up = this.#queue || this.#links.has(0) ? this.status.up : [node];
    return (addresses.length > 0 ? addresses : [undefined]).map((address, i) => {
      const where = address ? ` ${formatAddress(address)}` : "";
      return `node ${i}${where} ${up.includes(i) ? "up" : "down"}${
        i === node ? " (this one)" : ""
      }`;
    });
  }

  // What a person asks for goes to node 0.

  async #submit(job: { input: string; output: string; format: Hello["format"] }): Promise<string> {
    const { input, output, format } = job;
    if (this.#queue) return this.#queue.submit({ input, output, format });
    return await this.#ask((request) => ({ kind: "submit", request, input, output, format }));
  }

  async #cancel(job: number | undefined): Promise<string> {
    if (this.#queue) return this.#queue.cancel(job);
    return await this.#ask((request) => (
      { kind: "cancel", request, ...(job === undefined ? {} : { job }) }
    ));
  }

  async #ask(message: (request: number) => ControlMessage): Promise<string> {
    const link = this.#links.get(0);
    if (!link) return "ERR node 0 is not connected";
    const request = ++this.#lastRequest;
    const { promise, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(() => resolve("ERR node 0 did not answer"), REPLY_MS);
    this.#requests.set(request, resolve);
    link.send(message(request));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#requests.delete(request);
    }
  }

  // Control links

  /** Keeps a link to a node, dialling again whenever it is lost. */
  async #keepLink(node: number): Promise<void> {
    const { addresses, stallTimeoutMs } = this.#options;
    const name = nodeName(node, addresses[node]);
    const { signal } = this.#over;
    while (!signal.aborted) {
      try {
        const { connection, rest } = await this.#dial(node, addresses[node]!);
        if (signal.aborted) return connection.close();
        this.#log.info("Connected to a node", { node, name });
        this.#whyNot.delete(node);
        await this.#useLink(new ControlLink({ node, connection, input: rest, stallTimeoutMs }));
        if (!signal.aborted) this.#log.warn("Lost a node", { node, name });
        this.#queue?.lost(node, `${name} is not connected any more`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (reason !== this.#whyNot.get(node)) {
          this.#log.warn("Cannot reach a node", { node, name, reason });
        }
        this.#whyNot.set(node, reason);
      }
      await delay(REDIAL_MS, { signal }).catch(() => {});
    }
  }

  async #dial(node: number, address: Address) {
    const { secret, trust } = this.#options;
    const hello = this.#hello(node);
    const call = { word: HELLO.CONTROL, hello, secret, trust, timeoutMs: DIAL_MS };
    const { connection, line, buffer } = await callNode(address, call);
    try {
      if (!line.startsWith(HELLO.OK)) throw new Error(`it said "${line.slice(0, 200)}"`);
      const theirs = parseHello(line.slice(HELLO.OK.length));
      const difference = theirs ? helloDifference(hello, theirs) : "no hello";
      if (difference !== undefined) throw new Error(`it does not fit: ${difference}`);
      return { connection, rest: withUnread(connection, buffer) };
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async #useLink(link: ControlLink): Promise<void> {
    this.#links.set(link.node, link);
    this.#statusSoon();
    try {
      await link.listen((message) => this.#take(link, message));
    } catch (error) {
      this.#log.warn("Control link failed", { node: link.node, reason: String(error) });
    } finally {
      if (this.#links.get(link.node) === link) this.#links.delete(link.node);
      if (!this.#queue) {
        for (const reply of this.#requests.values()) reply("ERR node 0 is gone");
      }
      this.#statusSoon();
    }
  }

  #take(link: ControlLink, message: ControlMessage): void {
    const queue = this.#queue;
    if (queue) {
      if (message.kind === "submit") {
        const reply = this.#draining ? "ERR draining" : queue.submit(message);
        link.send({ kind: "reply", request: message.request, reply });
      } else if (message.kind === "cancel") {
        link.send({ kind: "reply", request: message.request, reply: queue.cancel(message.job) });
      } else if (message.kind === "progress") queue.progress(message.key, message.progress);
      else if (message.kind === "ended") queue.ended(message.key, link.node, message);
    } else if (message.kind === "start") this.#start(message.order);
    else if (message.kind === "stop") this.#stop(message.key);
    else if (message.kind === "status") this.#status = message.status;
    else if (message.kind === "reply") this.#requests.get(message.request)?.(message.reply);
  }

  // Jobs

  #startEverywhere(order: JobOrder): void {
    const missing = this.problems();
    for (const link of this.#links.values()) link.send({ kind: "start", order });
    this.#start(order);
    for (let node = 1; node < this.#nodes; node++) {
      if (this.#links.has(node)) continue;
      // Told when this call is over: the queue is in the middle of something.
      queueMicrotask(() => this.#queue!.lost(node, missing.join(", ")));
    }
  }

  #stopEverywhere(key: string, reason: string): void {
    for (const link of this.#links.values()) link.send({ kind: "stop", key, reason });
    this.#stop(key);
  }

  #stop(key: string): void {
    if (this.#runner?.order.key === key) this.#runner.stop();
  }

  #start(order: JobOrder): void {
    const { node } = this.#options;
    // Node 0 may not have noticed yet; nobody would wait for the job.
    if (this.#draining) return this.#ended(order.key, 0, `node ${node} is draining`);
    if (this.#runner) {
      return this.#ended(order.key, 0, `node ${node} is still busy with another job`);
    }
    const runner = this.#runner = new JobRunner(order, this.#options);
    const tell = () => {
      const progress = runner.progress();
      if (this.#queue) this.#queue.progress(order.key, progress);
      else this.#links.get(0)?.send({ kind: "progress", key: order.key, progress });
    };
    const timer = setInterval(tell, PROGRESS_MS);
    this.#log.info("Job started", { job: order.id, input: order.input, output: order.output });
    this.#running = runner.run().then(
      (summary) => this.#succeeded(runner, summary),
      (error) => this.#failed(order, error),
    ).finally(() => clearInterval(timer));
  }

  #succeeded({ order, connectSeconds }: JobRunner, summary: SortSummary): void {
    const { output: { records, bytes }, spilledBytes, seconds } = summary;
    this.#figures.succeeded(summary, connectSeconds);
    const phases = Object.entries(seconds).map((
      [phase, s],
    ) => [phase, `${Math.round(s * 1000)}ms`]);
    const figures = { records, bytes, spilledBytes, ...Object.fromEntries(phases) };
    this.#log.info("Job done", { job: order.id, ...figures });
    this.#runner = undefined;
    this.#ended(order.key, records);
  }

  #failed(order: JobOrder, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#figures.failed();
    this.#log.warn("Job failed", { job: order.id, reason });
    this.#runner = undefined;
    this.#ended(order.key, 0, reason);
  }

  #ended(key: string, records: number, failure?: string): void {
    const end = { records, ...(failure === undefined ? {} : { failure }) };
    if (this.#queue) queueMicrotask(() => this.#queue!.ended(key, 0, end));
    else this.#links.get(0)?.send({ kind: "ended", key, ...end });
  }

  /** Tells all nodes how things stand, a moment after they have changed. */
  #statusSoon(): void {
    if (!this.#queue || this.#statusTimer !== undefined || this.#over.signal.aborted) return;
    this.#statusTimer = setTimeout(() => {
      this.#statusTimer = undefined;
      const status = statusToTell(this.status);
      for (const link of this.#links.values()) link.send({ kind: "status", status });
    }, PROGRESS_MS);
  }
}
