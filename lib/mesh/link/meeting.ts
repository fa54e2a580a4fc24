/**
 * How the nodes of a job find each other: each node dials those with higher numbers and is called by
 * those with lower ones. They may start in any order. A link counts for the called node once the
 * caller has confirmed the answer, so calls that were given up do no harm.
 *
 * @module
 */

import { retry } from "@std/async/retry";
import type { Address } from "../../net/address.ts";
import { ConnectTimeoutError } from "../../net/connect.ts";
import type { Connection } from "../../net/connection.ts";
import type { ReadBuffer } from "../../net/read_buffer.ts";
import { callNode, nodeName, type Recognition } from "./call.ts";
import { isConfirmed } from "./first_line.ts";
import { decodeAbort, encodeAbort, encodeFrame, FRAME } from "./frame.ts";
import { encodeHello, HELLO, type Hello, helloDifference, parseHello } from "./hello.ts";
import { PeerLink } from "./peer_link.ts";
import { PeerTlsError } from "./peer_tls.ts";
import { ProofError } from "./proof.ts";
import { cancellation, SortFailedError } from "./sort_failure.ts";

/** The pause between two attempts to dial a node. */
const DIAL_INTERVAL_MS = 250;
/** How long one attempt may take: long enough for a few retransmissions. */
const DIAL_ATTEMPT_MS = 5000;
/** How long a failing meeting waits for the connected peers to take the abort frame. */
const ABORT_GRACE_MS = 1000;

/** Options for {@linkcode Meeting}. */
export interface MeetingOptions extends Recognition {
  /** The addresses of all nodes, by number. */
  addresses: readonly Address[];
  /** The hello of this node, but for `to`. */
  hello: Omit<Hello, "to">;
  dialTimeoutMs: number;
  stallTimeoutMs: number;
  /** Ends the meeting. */
  signal?: AbortSignal;
}

/** The peer refuses, or is not the expected one; trying again would not help. */
class RefusedError extends Error {
  override name = "RefusedError";
}

/**
 * Establishes the links of one job. It ends in one of two ways: `links` resolves when there is a link
 * to every node, or rejects when the dial timeout expires, a node does not fit, a connected peer is
 * lost, or the signal aborts. In the latter case, the connected peers are told the reason.
 */
export class Meeting {
  readonly #options: MeetingOptions;
  readonly #links = new Map<number, PeerLink>();
  readonly #all = Promise.withResolvers<PeerLink[]>();
  #over = false;
  #failure: SortFailedError | undefined;
  readonly #whyNot = new Map<number, string>();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #startMs = performance.now();

  constructor(options: MeetingOptions) {
    this.#options = options;
    this.#all.promise.catch(() => {});
    this.#timer = setTimeout(() => this.#timeOut(), options.dialTimeoutMs);
    const { signal } = options;
    const cancel = () => signal && this.fail(cancellation(signal));
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    for (let node = options.hello.node + 1; node < options.hello.nodes; node++) this.#dial(node);
    this.#check();
  }

  /**
   * Resolves with the links to all other nodes.
   *
   * @throws {SortFailedError} If a node is missing at the end, or does not fit.
   */
  get links(): Promise<PeerLink[]> {
    return this.#all.promise;
  }

  /** The numbers of the nodes that are not connected yet. */
  get missing(): number[] {
    const { node: own, nodes } = this.#options.hello;
    return Array.from({ length: nodes }, (_, node) => node)
      .filter((node) => node !== own && !this.#links.has(node));
  }

  /**
   * Admits a calling peer; resolves when the link has ended.
   *
   * @param hello The hello of the caller.
   * @param buffer What was read after the hello.
   */
  async admit(connection: Connection, hello: Hello, buffer: ReadBuffer): Promise<void> {
    const difference = helloDifference(this.#hello(hello.node), hello) ?? this.#unwanted(hello);
    if (difference !== undefined) {
      const reason = `${nodeName(hello.node, undefined)} does not fit: ${difference}`;
      await connection.write(new TextEncoder().encode(`${HELLO.ERR}${reason}\n`));
      // It means the same job, but with other settings; waiting would not change that.
      if (hello.job === this.#options.hello.job && !this.#links.has(hello.node)) {
        this.fail(new SortFailedError({ node: hello.node, reason }));
      }
      return;
    }
    await connection.write(encodeHello(HELLO.OK, this.#hello(hello.node)));
    const { stallTimeoutMs: timeoutMs } = this.#options;
    if (!await isConfirmed(connection, { buffer, timeoutMs })) return;
    const unwanted = this.#unwanted(hello);
    if (unwanted !== undefined) {
      const { node, message } = this.#failure ?? { node: hello.node, message: unwanted };
      const notice = encodeAbort({ node, reason: message });
      return await connection.write(encodeFrame(FRAME.ABORT, notice));
    }
    const link = this.#join(hello.node, connection, buffer);
    this.#check();
    await link.ended;
  }

  /** Ends the meeting with a failure, and tells it to the connected peers. */
  fail(error: SortFailedError): void {
    if (this.#over) return;
    this.#failure = error;
    this.#end();
    const notice = encodeAbort({ node: error.node, reason: error.message });
    const telling = [...this.#links.values()].map(async (link) => {
      const limit = setTimeout(() => link.close(), ABORT_GRACE_MS);
      try {
        await link.send(FRAME.ABORT, notice);
        await link.connection.finish();
      } catch {
        // The peer is gone and needs no reason.
      } finally {
        clearTimeout(limit);
        link.close();
      }
    });
    Promise.all(telling).then(() => this.#all.reject(error));
  }

  #hello(to: number): Hello {
    return { ...this.#options.hello, to };
  }

  #unwanted({ node }: Hello): string | undefined {
    if (this.#over) return "the job has begun or is over";
    if (this.#links.has(node)) return `node ${node} is here already`;
    return node > this.#options.hello.node ? "the one with the lower number dials" : undefined;
  }

  #join(node: number, connection: Connection, buffer: ReadBuffer): PeerLink {
    const { stallTimeoutMs, addresses } = this.#options;
    const name = nodeName(node, addresses[node]);
    const link = new PeerLink({ node, name, connection, buffer, stallTimeoutMs });
    this.#links.set(node, link);
    const lost = (reason: string) => this.fail(new SortFailedError({ node, reason }));
    link.peek().then((frame) => {
      if (this.#over) return;
      if (frame === null) lost(`${name} closed the connection before all were connected`);
      else if (frame.type === FRAME.ABORT) {
        this.fail(new SortFailedError(decodeAbort(frame.payload)));
      }
    }).catch((error) => lost(`${name}: ${error.message} before all were connected`));
    return link;
  }

  #check(): void {
    if (this.#over || this.missing.length > 0) return;
    this.#end();
    this.#all.resolve([...this.#links.values()]);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #timeOut(): void {
    const { addresses, dialTimeoutMs } = this.#options;
    const missing = this.missing.map((node) => {
      const why = this.#whyNot.get(node);
      return nodeName(node, addresses[node]) + (why ? `: ${why}` : "");
    });
    this.fail(
      new SortFailedError({
        node: this.missing[0] ?? -1,
        reason: `Cannot connect within ${dialTimeoutMs / 1000} s, missing ${missing.join(", ")}`,
      }),
    );
  }

  async #dial(node: number): Promise<void> {
    const { dialTimeoutMs } = this.#options;
    try {
      await retry(() => this.#attempt(node), {
        maxAttempts: Math.ceil(dialTimeoutMs / DIAL_INTERVAL_MS) + 1,
        minTimeout: DIAL_INTERVAL_MS,
        maxTimeout: DIAL_INTERVAL_MS,
        multiplier: 1,
        jitter: 0,
        isRetriable: (error) => !this.#over && !(error instanceof RefusedError),
      });
    } catch (error) {
      // Otherwise the dial timeout has expired, and the timer reports that.
      if (!(error instanceof RefusedError)) return;
      this.fail(new SortFailedError({ node, reason: error.message }));
    }
  }

  async #attempt(node: number): Promise<void> {
    if (this.#over) return;
    const { addresses, dialTimeoutMs, secret, trust } = this.#options;
    const address = addresses[node]!;
    const name = nodeName(node, address);
    const leftMs = dialTimeoutMs - (performance.now() - this.#startMs);
    const timeoutMs = Math.max(1, Math.min(leftMs, DIAL_ATTEMPT_MS));
    try {
      const call = { word: HELLO.PEER, hello: this.#hello(node), secret, trust, timeoutMs };
      const { connection, line, buffer } = await callNode(address, call);
      try {
        this.#readAnswer(node, name, line);
        if (this.#over) throw new Error("too late");
        // It shows that this side is still there, see `isConfirmed`.
        this.#join(node, connection, buffer).send(FRAME.PING).catch(() => {});
      } catch (error) {
        connection.close();
        throw error;
      }
      this.#check();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // An attempt that the end of the time has cut short knows less than the one before.
      const cutShort = leftMs < DIAL_ATTEMPT_MS && error instanceof ConnectTimeoutError;
      if (!cutShort || !this.#whyNot.has(node)) this.#whyNot.set(node, reason);
      if (!(error instanceof ProofError || error instanceof PeerTlsError)) throw error;
      throw new RefusedError(`${name} does not fit: ${reason}`, { cause: error });
    }
  }

  #readAnswer(node: number, name: string, line: string): void {
    if (line.startsWith(HELLO.LATER)) throw new Error(line.slice(HELLO.LATER.length));
    if (line.startsWith(HELLO.ERR)) {
      throw new RefusedError(`${name} refused: ${line.slice(HELLO.ERR.length)}`);
    }
    const theirs = line.startsWith(HELLO.OK) ? parseHello(line.slice(HELLO.OK.length)) : undefined;
    if (!theirs) throw new RefusedError(`${name} does not speak the protocol of the mesh`);
    const difference = theirs.node === node
      ? helloDifference(this.#hello(node), theirs)
      : `it says that it is node ${theirs.node}`;
    if (difference !== undefined) throw new RefusedError(`${name} does not fit: ${difference}`);
  }
}
