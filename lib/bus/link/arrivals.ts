import { Batch, type BatchOptions } from "../batch.ts";
import type { LinkedBus } from "../bus_link.ts";
import type { Interest } from "../subscription.ts";

/** How many bytes may wait for slow readers; messages beyond that are dropped and counted. */
export const BACKLOG_MAX_BYTES = 64 * 1024 * 1024;

/** What each batch counts on top of its messages: the memory of the objects it needs. */
const BATCH_OVERHEAD_BYTES = 256;

/** A message that has come through the link. */
export interface Arrival extends BatchOptions {
  /** Who gets it. Messages with the same list may be joined. */
  interests: readonly Interest[];
  subject: string;
  payload: Uint8Array;
}

/**
 * Hands messages from the link to the bus. Those that one read brought are joined into batches, as
 * far as they follow each other on one subject.
 */
export class Arrivals {
  readonly #bus: LinkedBus;
  #run: Arrival[] = [];
  #backlogBytes = 0;
  /** Messages received. */
  received = 0;
  /** Messages dropped because too many waited for slow readers. */
  dropped = 0;

  /** @param bus Where they go. */
  constructor(bus: LinkedBus) {
    this.#bus = bus;
  }

  /** Takes a message, and hands it over before anything that is awaited goes on. */
  take(arrival: Arrival): void {
    this.received++;
    const last = this.#run.at(-1);
    if (last === undefined) queueMicrotask(() => this.#handOver());
    else if (!follows(last, arrival)) this.#handOver();
    this.#run.push(arrival);
  }

  #handOver(): void {
    const run = this.#run;
    if (run.length === 0) return;
    this.#run = [];
    const { subject, interests } = run[0]!;
    const batch = join(subject, run);
    const bytes = batch.byteLength + BATCH_OVERHEAD_BYTES;
    if (this.#backlogBytes > 0 && this.#backlogBytes + bytes > BACKLOG_MAX_BYTES) {
      this.dropped += batch.count;
      return;
    }
    const waits = this.#bus.receive(batch, interests);
    if (waits === undefined) return;
    this.#backlogBytes += bytes;
    waits.finally(() => this.#backlogBytes -= bytes);
  }
}

function follows(last: Arrival, next: Arrival): boolean {
  return last.subject === next.subject && last.interests === next.interests &&
    isPlain(last) && isPlain(next);
}

function isPlain({ reply, headers, origin }: Arrival): boolean {
  return reply === undefined && headers === undefined && origin === undefined;
}

/** Copies payloads, which are parts of larger reads, into a batch. */
function join(subject: string, run: readonly Arrival[]): Batch {
  const bytes = new Uint8Array(run.reduce((sum, { payload }) => sum + payload.length, 0));
  let at = 0;
  const ends = run.map(({ payload }) => {
    bytes.set(payload, at);
    return at += payload.length;
  });
  const { reply, headers, origin } = run[0]!;
  return Batch.ofPayloads(subject, { bytes, ends }, { reply, headers, origin });
}
