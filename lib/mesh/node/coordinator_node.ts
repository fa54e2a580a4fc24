import { delay } from "@std/async/delay";
import type { Metric } from "../../metrics.ts";
import type { Connection } from "../../net/connection.ts";
import { callNode, nodeName } from "../link/call.ts";
import { withUnread } from "../link/first_line.ts";
import { HELLO, type Hello } from "../link/hello.ts";
import type { Meeting } from "../link/meeting.ts";
import type { MeshStatus } from "./console.ts";
import { checkControlAnswer, controlHello, controlRefusal } from "./control_hello.ts";
import { ControlLink, flushLinks, statusToTell } from "./control_link.ts";
import type { ControlMessage, JobOrder, JobOutcome } from "./control_message.ts";
import type { DecisionLog } from "./decision_log.ts";
import { Doubts } from "./doubts.ts";
import type { JobEntry, JobStore } from "./job_log.ts";
import { JobQueue } from "./job_queue.ts";
import { LocalJobs, PROGRESS_INTERVAL_MS } from "./local_jobs.ts";
import {
  formatNodes,
  type JobFiles,
  type MeshLimits,
  type MeshNode,
  type MeshNodeOptions,
  nodeCount,
} from "./mesh_node.ts";

/** The pause before a lost node is dialled again. */
const REDIAL_INTERVAL_MS = 1000;
/** How long one attempt to dial may take. */
const DIAL_TIMEOUT_MS = 5000;
/** How often a decision is repeated to a member that has not answered. */
const REPEAT_INTERVAL_MS = 2000;

/** Options for {@linkcode CoordinatorNode}. */
export interface CoordinatorNodeOptions extends MeshNodeOptions {
  decisions: DecisionLog;
  /** Where it keeps its jobs, and the jobs of the previous process. */
  jobs: JobStore;
  entries: readonly JobEntry[];
}

/**
 * Node 0: keeps the queue, dials every member and keeps a control link to it, hands out jobs and
 * collects their ends. A mesh of one consists of a coordinator without members.
 */
export class CoordinatorNode implements MeshNode {
  readonly #options: CoordinatorNodeOptions;
  readonly #queue: JobQueue;
  readonly #jobs: LocalJobs;
  readonly #doubts: Doubts;
  readonly #repeating: ReturnType<typeof setInterval>;
  /** The control links, by member. */
  readonly #links = new Map<number, ControlLink>();
  /** Why a member cannot be reached, by member. */
  readonly #dialErrors = new Map<number, string>();
  readonly #dialling: Promise<void>[] = [];
  /** The job that was started last, and the members that do not have it yet. */
  #order: JobOrder | undefined;
  readonly #absent = new Set<number>();
  readonly #closing = new AbortController();
  #statusTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: CoordinatorNodeOptions) {
    this.#options = { ...options };
    const nodes = nodeCount(options.addresses);
    this.#queue = new JobQueue({
      nodes,
      keyPrefix: `${options.decisions.id}-${crypto.randomUUID().slice(0, 8)}`,
      maxWaiting: () => this.#options.maxQueue,
      store: options.jobs,
      restored: options.entries,
      recordsOf: (key) => options.decisions.recordsOf(key),
      start: (order) => this.#startEverywhere(order),
      stop: (key, reason) => this.#stopEverywhere(key, reason),
      onRecorded: (key) => void options.decisions.release(key),
      onStoreFailure: (error) => {
        options.log.error("Cannot record a job", { reason: String(error) });
      },
      onChange: () => this.#tellStatusSoon(),
    });
    this.#jobs = new LocalJobs({
      job: () => ({ ...this.#options, settled: (output) => this.#doubts.settled(output) }),
      node: options.node,
      log: options.log,
      onProgress: (key, progress) => this.#queue.progress(key, progress),
      // Deferred: the queue may be in the middle of starting this very job.
      onEnd: (key, end) => queueMicrotask(() => this.#ended(key, end)),
      onDoubt: (doubt) => this.#doubts.add(doubt),
    });
    const ask = (key: string) => void this.#settleOwn(key);
    this.#doubts = new Doubts({ ask, log: options.log });
    for (const doubt of options.doubts) this.#doubts.add(doubt);
    // The queue reports the others, when it has written down how they ended.
    const running = options.entries.filter(({ state }) => state === "running");
    for (const job of options.decisions.committed()) {
      if (!this.#doubts.has(job)) void options.decisions.finished(job, 0);
      if (!running.some(({ key }) => key === job)) void options.decisions.release(job);
    }
    this.#repeating = setInterval(() => this.#repeatDecisions(), REPEAT_INTERVAL_MS);
    for (let node = 1; node < nodes; node++) this.#dialling.push(this.#keepLink(node));
    this.#queue.open();
  }

  setLimits(limits: MeshLimits): void {
    Object.assign(this.#options, limits);
  }

  get status(): MeshStatus {
    return { jobs: this.#queue.status(), up: [0, ...this.#links.keys()].sort((a, b) => a - b) };
  }

  metrics(): Metric[] {
    return this.#jobs.metrics();
  }

  problems(): string[] {
    const { addresses } = this.#options;
    const members = addresses.map((_, node) => node).slice(1);
    const missing = members.filter((node) => !this.#links.has(node)).map((node) => {
      const error = this.#dialErrors.get(node);
      return `${nodeName(node, addresses[node])} is not connected${error ? `: ${error}` : ""}`;
    });
    return missing;
  }

  notices(): string[] {
    return [...this.problems(), ...this.#doubts.problems()];
  }

  findMeeting(hello: Hello): Meeting | string {
    return this.#jobs.findMeeting(hello);
  }

  /** Refuses the link: node 0 opens all control links itself. */
  async serveControl(connection: Connection, text: string): Promise<void> {
    const reason = controlRefusal(controlHello(this.#options, 0), text) ??
      "node 0 arranges the jobs";
    this.#options.log.warn("Refused a control link", { address: connection.remote, reason });
    await connection.write(new TextEncoder().encode(`${HELLO.ERR}${reason}\n`));
  }

  async submit({ input, output, format }: JobFiles): Promise<string> {
    if (this.#jobs.draining) return "ERR draining";
    const { maxLineBytes } = this.#options;
    const limited = format.recordBytes === 0 ? { ...format, maxLineBytes } : format;
    return await this.#queue.submit({ input, output, format: limited });
  }

  async retry(job: number): Promise<string> {
    if (this.#jobs.draining) return "ERR draining";
    return await this.#queue.retry(job);
  }

  async cancel(job: number | undefined): Promise<string> {
    return await this.#queue.cancel(job);
  }

  nodeLines(): string[] {
    return formatNodes(0, { addresses: this.#options.addresses, up: this.status.up });
  }

  finishRunning(): Promise<void> | undefined {
    return this.#queue.finish();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.#queue.close();
    await this.#jobs.drain(deadline);
    await flushLinks(this.#links.values());
    // The next one reads what this one has written.
    await this.#options.jobs.flushed();
    this.#closing.abort();
    clearInterval(this.#repeating);
    this.#doubts.close();
    clearTimeout(this.#statusTimer);
    for (const link of this.#links.values()) link.close();
    await Promise.all(this.#dialling);
  }

  /** Keeps a link to a member and dials again whenever it is lost. */
  async #keepLink(node: number): Promise<void> {
    const { addresses, log } = this.#options;
    const name = nodeName(node, addresses[node]);
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const { connection, input } = await this.#dial(node);
        if (signal.aborted) return connection.close();
        log.info("Connected to a node", { node, name });
        this.#dialErrors.delete(node);
        const { stallTimeoutMs } = this.#options;
        await this.#serveLink(new ControlLink({ node, connection, input, stallTimeoutMs }));
        if (!signal.aborted) log.warn("Lost a node", { node, name });
        this.#queue.lost(node, `${name} is not connected any more`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (reason !== this.#dialErrors.get(node)) {
          log.warn("Cannot reach a node", { node, name, reason });
        }
        this.#dialErrors.set(node, reason);
      }
      await delay(REDIAL_INTERVAL_MS, { signal }).catch(() => {});
    }
  }

  async #dial(node: number) {
    const { addresses, secret, trust } = this.#options;
    const hello = controlHello(this.#options, node);
    const call = { word: HELLO.CONTROL, hello, secret, trust, timeoutMs: DIAL_TIMEOUT_MS };
    const { connection, line, buffer } = await callNode(addresses[node]!, call);
    try {
      checkControlAnswer(hello, line);
      return { connection, input: withUnread(connection, buffer) };
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async #serveLink(link: ControlLink): Promise<void> {
    this.#links.set(link.node, link);
    // The member waits for a first message, see `isConfirmed`.
    link.send({ kind: "ping" });
    this.#startOn(link);
    this.#tellStatusSoon();
    try {
      await link.listen((message) => this.#take(link, message));
    } catch (error) {
      this.#options.log.warn("Control link failed", { node: link.node, reason: String(error) });
    } finally {
      this.#links.delete(link.node);
      this.#tellStatusSoon();
    }
  }

  /** Handles a message from a member; those that only node 0 sends are ignored. */
  #take(link: ControlLink, message: ControlMessage): void {
    switch (message.kind) {
      case "submit":
        return void this.#reply(link, message.request, this.submit(message));
      case "cancel":
        return void this.#reply(link, message.request, this.cancel(message.job));
      case "retry":
        return void this.#reply(link, message.request, this.retry(message.job));
      case "progress":
        return this.#queue.progress(message.key, message.progress);
      case "ended":
        return this.#queue.ended(message.key, link.node, {
          records: message.records,
          ...(message.failure === undefined ? {} : { failure: message.failure }),
        });
      case "ask":
        return this.#answer(link, message.key);
      case "finished":
        // The record stays until this node has finished too; the member is asked again.
        if (this.#doubts.has(message.key)) return;
        return void this.#options.decisions.finished(message.key, link.node);
    }
  }

  async #reply(link: ControlLink, request: number, reply: string | Promise<string>): Promise<void> {
    link.send({ kind: "reply", request, reply: await reply });
  }

  /** Tells a member whether a job is committed, once that is certain. */
  #answer(link: ControlLink, key: string): void {
    if (this.#jobs.isRunning(key)) return;
    const committed = this.#options.decisions.isCommitted(key);
    if (committed !== undefined) return link.send({ kind: "decision", key, committed });
    const { log } = this.#options;
    log.warn("Cannot tell a node whether a job is committed", { job: key, node: link.node });
  }

  /** Settles this node's own part as the record says. */
  async #settleOwn(key: string): Promise<void> {
    const { decisions } = this.#options;
    const committed = decisions.isCommitted(key);
    if (committed === undefined || this.#jobs.isRunning(key)) return;
    if (await this.#doubts.settle(key, committed)) await decisions.finished(key, 0);
  }

  /** Takes the end of this node's own part. A job with a record is committed, even if that failed. */
  #ended(key: string, end: JobOutcome): void {
    const committed = this.#options.decisions.recordsOf(key);
    this.#queue.ended(key, 0, committed === undefined ? end : { committed, ...end });
  }

  /** Repeats decisions until all members have answered. */
  #repeatDecisions(): void {
    void this.#options.decisions.tidy();
    for (const { job: key, members } of this.#options.decisions.pending()) {
      if (this.#jobs.isRunning(key)) continue;
      for (const node of members) {
        this.#links.get(node)?.send({ kind: "decision", key, committed: true });
      }
    }
  }

  /** Starts a job. Members that are not connected may still come within the dial timeout. */
  #startEverywhere(order: JobOrder): void {
    this.#order = order;
    this.#absent.clear();
    for (let node = 1; node < nodeCount(this.#options.addresses); node++) this.#absent.add(node);
    for (const link of this.#links.values()) this.#startOn(link);
    this.#jobs.start(order);
  }

  /** Starts the running job on a member, unless that has been done. */
  #startOn(link: ControlLink): void {
    if (this.#order === undefined || !this.#absent.delete(link.node)) return;
    link.send({ kind: "start", order: this.#order });
  }

  #stopEverywhere(key: string, reason: string): void {
    const absent = [...this.#absent];
    this.#absent.clear();
    // Deferred: the queue is in the middle of stopping this job.
    for (const node of absent) queueMicrotask(() => this.#queue.lost(node, reason));
    for (const link of this.#links.values()) link.send({ kind: "stop", key, reason });
    this.#jobs.stop(key, reason);
  }

  /** Sends the status to all members, a moment after a change, so that bursts become one message. */
  #tellStatusSoon(): void {
    if (this.#statusTimer !== undefined || this.#closing.signal.aborted) return;
    this.#statusTimer = setTimeout(() => {
      this.#statusTimer = undefined;
      const status = statusToTell(this.status);
      for (const link of this.#links.values()) link.send({ kind: "status", status });
    }, PROGRESS_INTERVAL_MS);
  }
}
