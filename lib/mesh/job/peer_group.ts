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
import { SortEndedError } from "../sort/sort_ended.ts";
import type { Phase } from "./sort_progress.ts";

/** How long a failing node waits for its peers to take the abort frames. */
const ABORT_GRACE_MS = 1000;

/** Frames that only node 0 sends, */
const FROM_NODE_0: readonly FrameType[] = [FRAME.PLAN, FRAME.COMMIT, FRAME.FINISH];
/** and frames that only node 0 receives. */
const TO_NODE_0: readonly FrameType[] = [FRAME.SAMPLE, FRAME.TOP, FRAME.COMPLETE, FRAME.DONE];

/** One of the other nodes, and what was exchanged with it. */
export interface Peer {
  readonly link: PeerLink;
  /** The records sent to it and received from it. */
  readonly sent: Tally;
  readonly received: Tally;
  sentBytes: number;
  receivedBytes: number;
  /** Resolves when its reader has ended, with the reason if the peer is at fault. */
  ended: Promise<SortFailedError | undefined>;
}

/** Options for {@linkcode PeerGroup}. */
export interface PeerGroupOptions {
  /** The number of this node. */
  node: number;
  /** The links to all other nodes. */
  links: PeerLink[];
  /** The current phase, for messages. */
  phase: () => Phase;
  /** Called when the job cannot go on because of a peer. */
  onFailure: (error: SortFailedError) => void;
  /** Takes a data frame. The next frame of the peer is read when the promise has resolved. */
  onData: (peer: Peer, payload: Uint8Array) => Promise<void>;
  /** Called when a peer has sent all its data, with the tallies of it. */
  onEnd: (peer: Peer, payload: Uint8Array) => void;
}

/** The frames of the commit. */
const COMMIT_FRAMES = [FRAME.COMPLETE, FRAME.COMMIT, FRAME.DONE, FRAME.FINISH] as const;

/** What a peer says in the commit, or what became of it. */
export type CommitEvent =
  | { from: number; type: typeof COMMIT_FRAMES[number]; payload: Uint8Array }
  | { from: number; type: typeof FRAME.ABORT | "lost"; failure: SortFailedError };

/** A frame and the node that sent it. */
export interface FrameFrom {
  frame: Frame;
  from: number;
}

/**
 * The peers of one job. One reader for each link passes data on and keeps other frames until they
 * are collected; writers share the links.
 *
 * Only the reader of a link judges what happened to it. A write that fails waits for the verdict of
 * the reader: if the peer is at fault, the write throws the reason; if the peer may leave, as it has
 * said everything, what it no longer takes does not matter.
 */
export class PeerGroup {
  readonly #options: PeerGroupOptions;
  readonly #peers = new Map<number, Peer>();
  readonly #frames = new Map<FrameType, FrameFrom[]>();
  /** Resolves when the next frame arrives; rejects when the group ends. */
  #arrival = newArrival();
  #ended = false;
  /** Set in the commit. */
  #events: CommitEvent[] | undefined;

  constructor(options: PeerGroupOptions) {
    this.#options = options;
    for (const link of options.links) {
      const [sent, received] = [emptyTally(), emptyTally()];
      const ended = Promise.resolve(undefined);
      this.#peers.set(link.node, { link, sent, received, sentBytes: 0, receivedBytes: 0, ended });
    }
  }

  /** All peers. */
  get all(): Peer[] {
    return [...this.#peers.values()];
  }

  /** The peer with this number, which must exist. */
  peer(node: number): Peer {
    return this.#peers.get(node)!;
  }

  /** Reads from all links; resolves when all readers have ended. */
  async listen(): Promise<void> {
    for (const peer of this.#peers.values()) peer.ended = this.#listen(peer);
    await Promise.all(this.all.map(({ ended }) => ended));
  }

  /**
   * Waits for a frame of this type from `count` nodes.
   *
   * @throws {SortEndedError} If the group ends before.
   */
  async collect(type: FrameType, count: number): Promise<FrameFrom[]> {
    for (;;) {
      if (this.#ended) throw new SortEndedError();
      const frames = this.#frames.get(type) ?? [];
      if (frames.length >= count) return frames;
      await this.#arrival.promise;
    }
  }

  /**
   * Begins the commit: from now on, neither the loss of a peer nor its abort fails the job by itself.
   * They are events, like the frames of the peers.
   */
  beginCommit(): void {
    this.#events = COMMIT_FRAMES.flatMap((type) => (
      (this.#frames.get(type) ?? []).map(({ from, frame }) => ({ from, ...frame, type }))
    ));
  }

  /**
   * Waits for the next event of the commit.
   *
   * @throws {SortEndedError} If the group ends before.
   */
  async nextEvent(): Promise<CommitEvent> {
    for (;;) {
      if (this.#ended) throw new SortEndedError();
      const event = this.#events?.shift();
      if (event !== undefined) return event;
      await this.#arrival.promise;
    }
  }

  /** Sends a frame in the commit. If it cannot be sent, the peer is lost, which is an event. */
  async tell(to: number, type: FrameType, payload?: Uint8Array): Promise<void> {
    await this.send(to, type, payload).catch(() => {});
  }

  /**
   * Sends a frame to one peer.
   *
   * @throws {SortFailedError} If the peer is gone before it may leave.
   * @throws {SortEndedError} If the group has ended.
   */
  async send(to: number, type: FrameType, payload?: Uint8Array): Promise<void> {
    if (this.#ended) throw new SortEndedError();
    const peer = this.#peers.get(to)!;
    peer.sentBytes += FRAME_HEADER_BYTES + (payload?.length ?? 0);
    await this.#complete(peer, peer.link.send(type, payload));
  }

  /** Sends a frame to all peers; throws as `send` does. */
  async sendAll(type: FrameType, payload?: Uint8Array): Promise<void> {
    await Promise.all([...this.#peers.keys()].map((to) => this.send(to, type, payload)));
  }

  /** Writes encoded frames, which must not change meanwhile; throws as `send` does. */
  async write(peer: Peer, frames: Uint8Array): Promise<void> {
    if (this.#ended) throw new SortEndedError();
    peer.sentBytes += frames.length;
    await this.#complete(peer, peer.link.write(frames));
  }

  /** Ends the group: ignores further frames, and rejects what waits for one. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#arrival.reject(new SortEndedError());
  }

  /** Tells the peers why the job has failed, as far as they still read. */
  async abort({ node, message }: SortFailedError): Promise<void> {
    const notice = encodeAbort({ node, reason: message });
    const telling = this.all.map(async ({ link }) => {
      try {
        await link.send(FRAME.ABORT, notice);
        await link.connection.finish();
      } catch {
        // The peer is gone and needs no reason.
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

  /** Reads from a peer until it closes; returns the failure if the peer is at fault. */
  async #listen(peer: Peer): Promise<SortFailedError | undefined> {
    const { link } = peer;
    const { phase, onFailure, onData, onEnd } = this.#options;
    try {
      for (;;) {
        const frame = await link.receive();
        if (this.#ended) return undefined;
        if (frame === null) {
          if (this.#mayLeave(link.node)) return undefined;
          throw new SortFailedError({
            node: link.node,
            reason: `${link.name} closed the connection during ${phase()}`,
          });
        }
        peer.receivedBytes += FRAME_HEADER_BYTES + frame.payload.length;
        if (frame.type === FRAME.DATA) await onData(peer, frame.payload);
        else if (frame.type === FRAME.ABORT) {
          const failure = new SortFailedError(decodeAbort(frame.payload));
          if (this.#events === undefined) throw failure;
          this.#happened({ from: link.node, type: FRAME.ABORT, failure });
        } else {
          if (frame.type === FRAME.END) onEnd(peer, frame.payload);
          this.#take({ type: frame.type, payload: frame.payload.slice() }, link.node);
        }
      }
    } catch (error) {
      if (this.#ended) return undefined;
      const failure = error instanceof SortFailedError ? error : blame(link, error, phase());
      if (this.#events === undefined) onFailure(failure);
      else this.#happened({ from: link.node, type: "lost", failure });
      return failure;
    }
  }

  /** Whether a peer may close its link, as it has sent everything that this node needs. */
  #mayLeave(node: number): boolean {
    if (this.#options.node === 0) {
      return this.#frames.get(FRAME.DONE)?.some(({ from }) => from === node) ?? false;
    }
    // After COMMIT the others only wait for node 0, whose FINISH may reach them first.
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
    const word = COMMIT_FRAMES.find((type) => type === frame.type);
    this.#happened(word && { from, ...frame, type: word });
  }

  /** Wakes all that wait for a frame or an event. */
  #happened(event: CommitEvent | undefined): void {
    if (event) this.#events?.push(event);
    const { resolve } = this.#arrival;
    this.#arrival = newArrival();
    resolve();
  }

  /** Waits for a write. If it fails, the reader of the link decides what that means. */
  async #complete(peer: Peer, write: Promise<void>): Promise<void> {
    try {
      await write;
    } catch {
      const failure = await peer.ended;
      if (failure) throw failure;
    }
    if (this.#ended) throw new SortEndedError();
  }
}

function newArrival(): PromiseWithResolvers<void> {
  const arrival = Promise.withResolvers<void>();
  // It rejects at the end, when perhaps nobody waits for it.
  arrival.promise.catch(() => {});
  return arrival;
}

/** The failure of a job because of something that went wrong on the link to a peer. */
function blame(link: PeerLink, error: unknown, phase: Phase): SortFailedError {
  const message = error instanceof Error ? error.message : String(error);
  const what = error instanceof FrameError ? `sent ${message}` : message;
  const reason = `${link.name}: ${what} during ${phase}`;
  return new SortFailedError({ node: link.node, reason }, { cause: error });
}
