import {
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import type { Log } from "../../log.ts";
import { STREAM_PREFIX } from "./order_subjects.ts";

/** The name of the stream. */
const STREAM = "quartet_bus";

/** The code of JetStream for a stream that exists with other settings. */
const OTHER_SETTINGS = 10058;

/** The error of the client library for servers without JetStream. It does not export the class. */
const NOT_ENABLED = "JetStreamNotEnabled";

/** The largest limit that NATS accepts for a message: 64 MiB. */
const MESSAGE_MAX_BYTES = 64 * 1024 * 1024;

/** How many messages are asked for at a time. */
const REQUESTED_MAX_MESSAGES = 1000;

/** How long a request for messages is valid, and how often NATS shows that it is in force. */
const REQUEST_MS = 10_000;
const HEARTBEAT_MS = 2000;

/** What the client library reports when the consumer is not what it was. Then it starts again. */
const IRREGULAR: readonly string[] = [
  "reset",
  "stream_not_found",
  "consumer_not_found",
  "consumer_deleted",
  "no_responders",
];

/** Thrown if the servers offer no JetStream. */
export class NoJetStreamError extends Error {
  override name = "NoJetStreamError";
}

/** How far a daemon has read the stream. It outlives connections. */
export class StreamPosition {
  /** When the stream was created, which tells it from one with the same name before it. */
  created: string | undefined;
  /** The number of the last message read. */
  sequence = 0;
  /** Messages that the stream no longer had when they were to be read. */
  missed = 0;
  /** How often the stream itself was lost, with an unknown number of messages. */
  streamsLost = 0;

  /**
   * Prepares to read a stream: on from here, or from the beginning if it is not the one read before.
   * The first time, it skips what the stream has.
   *
   * @param created When the stream was created.
   * @param last The number of its last message.
   * @returns Whether the stream read before is lost.
   */
  enter(created: string, last: number): boolean {
    const first = this.created === undefined;
    // A member of a cluster can lose the messages and keep the time.
    const lost = !first && (this.created !== created || last < this.sequence);
    if (first) this.sequence = last;
    if (lost) {
      // All that the new stream has was published since, and is still to be read.
      this.sequence = 0;
      this.streamsLost++;
    }
    this.created = created;
    return lost;
  }
}

/** A message in the stream. */
export interface StreamMessage {
  subject: string;
  data: Uint8Array;
  headers: MsgHdrs | undefined;
}

/** Settings of a {@linkcode StreamReader}. */
export interface StreamReaderOptions {
  /** The size of the stream, if it has to be created. */
  maxBytes: number;
  /** How long a request to JetStream may take. */
  timeoutMs: number;
  position: StreamPosition;
  /** Called with each message, in order. */
  arrived: (message: StreamMessage) => void;
  /** Called when reading cannot go on. */
  lost: () => void;
  log: Log;
}

/**
 * Reads the stream of all daemons, each message once, from the position on where the last connection
 * ended. The first time it begins with the next message.
 */
export class StreamReader {
  readonly #messages: ConsumerMessages;

  /**
   * Creates the stream unless it exists, and begins to read.
   *
   * @throws {NoJetStreamError} If there is no JetStream.
   * @throws {Error} If JetStream refuses something.
   */
  static async open(nats: NatsConnection, options: StreamReaderOptions): Promise<StreamReader> {
    const { timeoutMs: timeout, position, log } = options;
    const manager = await jetstreamManager(nats, { timeout, checkAPI: false });
    const { created, state } = await openStream(manager, options);
    if (position.enter(created, state.last_seq)) {
      log.warn("NATS has lost the stream of messages; those not read yet are missing");
    }
    const consumer = await manager.jetstream().consumers.get(STREAM, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: position.sequence + 1,
    });
    const messages = await consumer.consume({
      max_messages: REQUESTED_MAX_MESSAGES,
      expires: REQUEST_MS,
      idle_heartbeat: HEARTBEAT_MS,
      callback: ({ seq, subject, data, headers }) => {
        if (seq <= position.sequence) return;
        const missed = seq - position.sequence - 1;
        position.sequence = seq;
        if (missed > 0) {
          position.missed += missed;
          log.warn("The stream of NATS discarded messages before they were read", { missed });
        }
        options.arrived({ subject: subject.slice(STREAM_PREFIX.length), data, headers });
      },
    });
    return new StreamReader(messages, options.lost);
  }

  private constructor(messages: ConsumerMessages, lost: () => void) {
    this.#messages = messages;
    this.#watch(lost);
    messages.closed().then(lost);
  }

  /** Stops reading. */
  close(): void {
    this.#messages.stop();
  }

  async #watch(lost: () => void): Promise<void> {
    for await (const { type } of this.#messages.status()) {
      if (IRREGULAR.includes(type)) lost();
    }
  }
}

/** Creates the stream unless it exists. The daemon that comes first decides about its size. */
async function openStream(
  manager: JetStreamManager,
  { maxBytes, log }: StreamReaderOptions,
): Promise<StreamInfo> {
  try {
    return await manager.streams.add({
      name: STREAM,
      subjects: [`${STREAM_PREFIX}>`],
      storage: StorageType.Memory,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_bytes: maxBytes,
      // Otherwise a message larger than the stream would be acknowledged, and discarded at once.
      max_msg_size: Math.min(Math.floor(maxBytes / 2), MESSAGE_MAX_BYTES),
    });
  } catch (error) {
    if ((error as Error).name === NOT_ENABLED) {
      const reason = 'order = "one" needs JetStream, which the NATS server does not offer';
      throw new NoJetStreamError(reason, { cause: error });
    }
    if (!(error instanceof JetStreamApiError && error.code === OTHER_SETTINGS)) throw error;
    const info = await manager.streams.info(STREAM);
    const { subjects, max_bytes } = info.config;
    if (subjects?.length !== 1 || subjects[0] !== `${STREAM_PREFIX}>`) {
      throw new Error(`NATS has another stream with the name ${STREAM}`, { cause: error });
    }
    log.warn("The stream of NATS has other settings than this daemon would give it", {
      bytes: max_bytes,
      max_bytes: maxBytes,
    });
    return info;
  }
}
