/**
 * The peers of one job: what they send is handed to whom it is for, and frames are sent to them.
 *
 * @module
 */

import { emptyTally, type Tally } from "../records/checksum.ts";
import {
  decodeAbort,
  encodeAbort,
  FRAME,
  type Frame,
  FRAME_HEADER_BYTES,
  FrameError,
  type FrameType,
} from "../link/frame.ts";
import type { PeerLink } from "../link/peer_link.ts";
import { SortFailedError } from "../link/sort_failure.ts";
import type { Phase } from "./sort_progress.ts";

/** How long a failing node waits for its peers to take the reason. */
const ABORT_GRACE_MS = 1000;

/** What node 0 alone sends, */
const FROM_NODE_0: readonly FrameType[] = [FRAME.PLAN, FRAME.COMMIT, FRAME.FINISH];
/** and what it alone is sent. */
const TO_NODE_0: readonly FrameType[] = [FRAME.SAMPLE, FRAME.COMPLETE, FRAME.DONE];

/** How a peer is doing. */
export interface Peer {
  readonly link: PeerLink;
  /** What was sent to it and what came from it. */
  readonly sent: Tally;
  readonly received: Tally;
  sentBytes: number;
  receivedBytes: number;
}

/** Options for {@linkcode PeerGroup}. */
export interface PeerGroupOptions {
  /** Which node this is. */
  node: number;
  /** The links to all others. */
  links: PeerLink[];
  /** What the job is doing. */
  phase: () => Phase;
  /** Told why the job cannot go on. */
  onFailure: (error: unknown) => void;
  /** Takes a frame of data; the next is read when it has. */
  onData: (peer: Peer, payload: Uint8Array) => Promise<void>;
  /** Told that a peer has sent all its data. */
  onEnd: (peer: Peer, payload: Uint8Array) => void;
}

/** A frame and the node that has sent it. */
export interface FrameFrom {
  frame: Frame;
  from: number;
}

/** The peers of one job. */
export class PeerGroup {
  readonly #options: PeerGroupOptions;
  readonly #peers = new Map<number, Peer>();
  readonly #frames = new Map<FrameType, FrameFrom[]>();
  #onFrame: () => void = () => {};
  #ended = false;

  constructor(options: PeerGroupOptions) {
    this.#options = options;
    for (const link of options.links) {
      const [sent, received] = [emptyTally(), emptyTally()];
      this.#peers.set(link.node, { link, sent, received, sentBytes: 0, receivedBytes: 0 });
    }
  }

  /** All of them. */
  get all(): Peer[] {
    return [...this.#peers.values()];
  }

  /** The peer with that number, which there is. */
  peer(node: number): Peer {
    return this.#peers.get(node)!;
  }

  /** Takes what they send; resolves when all links have ended. */
  async listen(): Promise<void> {
    await Promise.all(this.all.map((peer) => this.#listen(peer)));
  }

  /** Waits for a frame of this type from `count` nodes. */
  async collect(type: FrameType, count: number): Promise<FrameFrom[]> {
    while ((this.#frames.get(type)?.length ?? 0) < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const others = this.#onFrame;
      this.#onFrame = () => {
        others();
        resolve();
      };
      await promise;
    }
    return this.#frames.get(type) ?? [];
  }

  /** Sends a frame to one of them. */
  send(to: number, type: FrameType, payload?: Uint8Array): Promise<void> {
    const peer = this.#peers.get(to)!;
    peer.sentBytes += FRAME_HEADER_BYTES + (payload?.length ?? 0);
    return this.#guard(peer.link.send(type, payload));
  }

  /** Sends a frame to all of them. */
  async sendAll(type: FrameType, payload?: Uint8Array): Promise<void> {
    await Promise.all([...this.#peers.keys()].map((to) => this.send(to, type, payload)));
  }

  /** Sends encoded frames; they must not change meanwhile. */
  write(peer: Peer, frames: Uint8Array): Promise<void> {
    peer.sentBytes += frames.length;
    return this.#guard(peer.link.write(frames));
  }

  /** Takes nothing more from them. */
  end(): void {
    this.#ended = true;
  }

  /** Tells them why the job has failed, as far as they listen. */
  async abort({ node, message }: SortFailedError): Promise<void> {
    const notice = encodeAbort({ node, reason: message });
    const telling = this.all.map(async ({ link }) => {
      try {
        await link.send(FRAME.ABORT, notice);
        await link.connection.finish();
      } catch {
        // It is gone; then it needs no reason.
      }
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ABORT_GRACE_MS);
    await Promise.race([Promise.all(telling), promise]);
    clearTimeout(timer);
  }

  /** Closes all links. */
  close(): void {
    for (const { link } of this.#peers.values()) link.close();
  }

  /** Takes what a peer sends until it closes. */
  async #listen(peer: Peer): Promise<void> {
    const { link } = peer;
    const { phase, onFailure, onData, onEnd } = this.#options;
    try {
      for (;;) {
        const frame = await link.receive();
        if (this.#ended) return;
        if (frame === null) {
          if (this.#mayLeave(link.node)) return;
          throw new SortFailedError({
            node: link.node,
            reason: `${link.name} closed the connection during ${phase()}`,
          });
        }
        peer.receivedBytes += FRAME_HEADER_BYTES + frame.payload.length;
        if (frame.type === FRAME.DATA) await onData(peer, frame.payload);
        else if (frame.type === FRAME.ABORT) throw new SortFailedError(decodeAbort(frame.payload));
        else {
          if (frame.type === FRAME.END) onEnd(peer, frame.payload);
          this.#take({ type: frame.type, payload: frame.payload.slice() }, link.node);
        }
      }
    } catch (error) {
      if (this.#ended) return;
      if (error instanceof SortFailedError) return onFailure(error);
      const message = error instanceof Error ? error.message : String(error);
      const what = error instanceof FrameError ? `sent ${message}` : message;
      const reason = `${link.name}: ${what} during ${phase()}`;
      onFailure(new SortFailedError({ node: link.node, reason }, { cause: error }));
    }
  }

  /** Whether a peer has said all that we need from it. */
  #mayLeave(node: number): boolean {
    if (this.#options.node === 0) {
      return this.#frames.get(FRAME.DONE)?.some(({ from }) => from === node) ?? false;
    }
    // After that the others wait for node 0 alone, and may hear from it before we do.
    return this.#frames.has(node === 0 ? FRAME.FINISH : FRAME.COMMIT);
  }

  #take(frame: Frame, from: number): void {
    const { node } = this.#options;
    const { type } = frame;
    if (FROM_NODE_0.includes(type) && from !== 0 || TO_NODE_0.includes(type) && node !== 0) {
      throw new FrameError(`a frame of type ${type}, which is out of place`);
    }
    const frames = this.#frames.get(frame.type) ?? [];
    this.#frames.set(frame.type, frames);
    if (frames.some((other) => other.from === from)) {
      throw new FrameError(`a second frame of type ${frame.type}`);
    }
    frames.push({ frame, from });
    this.#onFrame();
  }

  /** A write that fails is no reason: who reads from the same peer knows what happened to it. */
  #guard(write: Promise<void>): Promise<void> {
    return write.catch(() => new Promise<void>(() => {}));
  }
}
