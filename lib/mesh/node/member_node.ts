import type { Metric } from "../../metrics.ts";
import type { Connection } from "../../net/connection.ts";
import type { ReadBuffer } from "../../net/read_buffer.ts";
import { nodeName } from "../link/call.ts";
import { isConfirmed, withUnread } from "../link/first_line.ts";
import { encodeHello, HELLO, type Hello } from "../link/hello.ts";
import type { Meeting } from "../link/meeting.ts";
import type { MeshStatus } from "./console.ts";
import { controlHello, controlRefusal } from "./control_hello.ts";
import { ControlLink, flushLinks } from "./control_link.ts";
import type { ControlMessage } from "./control_message.ts";
import { Doubts } from "./doubts.ts";
import { LocalJobs } from "./local_jobs.ts";
import {
  formatNodes,
  type JobFiles,
  type MeshLimits,
  type MeshNode,
  type MeshNodeOptions,
} from "./mesh_node.ts";

/** How long node 0 may take to answer a forwarded command. */
const REPLY_TIMEOUT_MS = 10_000;

/**
 * Any node but node 0: waits for the control link of node 0, runs its part of the jobs that arrive
 * on it, and forwards the commands of its own clients.
 */
export class MemberNode implements MeshNode {
  readonly #options: MeshNodeOptions;
  readonly #jobs: LocalJobs;
  readonly #doubts: Doubts;
  /** The control link to node 0, while there is one. */
  #link: ControlLink | undefined;
  #status: MeshStatus = { jobs: [], up: [] };
  /** What to do with the replies of node 0, by request number. */
  readonly #requests = new Map<number, (reply: string) => void>();
  #lastRequest = 0;

  constructor(options: MeshNodeOptions) {
    this.#options = { ...options };
    this.#jobs = new LocalJobs({
      job: () => ({ ...this.#options, settled: (output) => this.#doubts.settled(output) }),
      node: options.node,
      log: options.log,
      onProgress: (key, progress) => this.#link?.send({ kind: "progress", key, progress }),
      onEnd: (key, end) => this.#link?.send({ kind: "ended", key, ...end }),
      onDoubt: (doubt) => this.#doubts.add(doubt),
    });
    const ask = (key: string) => this.#link?.send({ kind: "ask", key });
    this.#doubts = new Doubts({ ask, log: options.log });
    for (const doubt of options.doubts) this.#doubts.add(doubt);
  }

  setLimits(limits: MeshLimits): void {
    Object.assign(this.#options, limits);
  }

  get status(): MeshStatus {
    return this.#status;
  }

  metrics(): Metric[] {
    return this.#jobs.metrics();
  }

  problems(): string[] {
    if (this.#link) return [];
    return [`${nodeName(0, this.#options.addresses[0])} is not connected`];
  }

  notices(): string[] {
    const [missing] = this.problems();
    const old = missing && `${missing}; the jobs are listed as it last reported them`;
    return [...(old === undefined ? [] : [old]), ...this.#doubts.problems()];
  }

  findMeeting(hello: Hello): Meeting | string {
    return this.#jobs.findMeeting(hello);
  }

  async serveControl(
    connection: Connection,
    text: string,
    buffer: ReadBuffer,
  ): Promise<void> {
    const { stallTimeoutMs, log } = this.#options;
    const mine = controlHello(this.#options, 0);
    const reason = controlRefusal(mine, text);
    if (reason !== undefined) {
      log.warn("Refused a control link", { address: connection.remote, reason });
      return await connection.write(new TextEncoder().encode(`${HELLO.ERR}${reason}\n`));
    }
    await connection.write(encodeHello(HELLO.OK, mine));
    if (!await isConfirmed(connection, { buffer, timeoutMs: stallTimeoutMs })) return;
    // The old link may be broken without this side having noticed yet.
    this.#link?.close();
    const input = withUnread(connection, buffer);
    await this.#serveLink(new ControlLink({ node: 0, connection, input, stallTimeoutMs }));
  }

  async submit({ input, output, format }: JobFiles): Promise<string> {
    if (this.#jobs.draining) return "ERR draining";
    return await this.#ask((request) => ({ kind: "submit", request, input, output, format }));
  }

  async cancel(job: number | undefined): Promise<string> {
    return await this.#ask((request) => (
      { kind: "cancel", request, ...(job === undefined ? {} : { job }) }
    ));
  }

  async retry(job: number): Promise<string> {
    if (this.#jobs.draining) return "ERR draining";
    return await this.#ask((request) => ({ kind: "retry", request, job }));
  }

  nodeLines(): string[] {
    const { node, addresses } = this.#options;
    return formatNodes(node, { addresses, up: this.#link ? this.#status.up : [node] });
  }

  finishRunning(): Promise<void> | undefined {
    return this.#jobs.finish();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    await this.#jobs.drain(deadline);
    // The end of the last job is on its way. If it got lost, node 0 would count the job as failed.
    if (this.#link) await flushLinks([this.#link]);
    this.#link?.close();
    this.#doubts.close();
    for (const reply of this.#requests.values()) reply("ERR draining");
  }

  /** Forwards a command to node 0 and waits for the reply. */
  async #ask(message: (request: number) => ControlMessage): Promise<string> {
    const link = this.#link;
    if (!link) return "ERR node 0 is not connected";
    const request = ++this.#lastRequest;
    const { promise, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(() => resolve("ERR node 0 did not answer"), REPLY_TIMEOUT_MS);
    this.#requests.set(request, resolve);
    link.send(message(request));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#requests.delete(request);
    }
  }

  async #serveLink(link: ControlLink): Promise<void> {
    this.#link = link;
    this.#doubts.ask();
    try {
      await link.listen((message) => this.#take(message));
    } catch (error) {
      this.#options.log.warn("Control link failed", { node: 0, reason: String(error) });
    } finally {
      if (this.#link === link) this.#link = undefined;
      for (const reply of this.#requests.values()) reply("ERR node 0 is gone");
    }
  }

  /** Handles a message from node 0; those that only members send are ignored. */
  #take(message: ControlMessage): void {
    switch (message.kind) {
      case "start":
        return this.#jobs.start(message.order);
      case "stop":
        return this.#jobs.stop(message.key, message.reason);
      case "status":
        this.#status = message.status;
        return;
      case "decision":
        return void this.#settle(message.key, message.committed);
      case "reply":
        return this.#requests.get(message.request)?.(message.reply);
    }
  }

  /** Ends a job as node 0 has decided, unless it is still running and will hear of it itself. */
  async #settle(key: string, committed: boolean): Promise<void> {
    if (this.#jobs.isRunning(key)) return;
    if (await this.#doubts.settle(key, committed)) this.#link?.send({ kind: "finished", key });
  }
}
