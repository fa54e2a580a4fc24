import { Batch } from "../../bus/batch.ts";
import { SubscriptionLimitError } from "../../bus/errors.ts";
import { Publisher } from "../../bus/publisher.ts";
import type { Reader, ReaderConnection } from "../../bus/reader.ts";
import type { Subscriber, Subscription } from "../../bus/subscription.ts";
import type { ClientDescription, Connection } from "../../net/connection.ts";
import type { LineBatch } from "../../net/line_framer.ts";
import { loginByLine } from "../../net/line_login.ts";
import { LineReader } from "../../net/line_reader.ts";
import type { Login } from "../../net/login.ts";
import type { Messages } from "../../net/outbox.ts";
import type { Room } from "../room.ts";
import { mayPublish, maySubscribe, NO_RIGHT, NO_RIGHT_TO_PUBLISH } from "./line_rights.ts";

const NEWLINE = 10;
const encoder = new TextEncoder();
const UNAVAILABLE = "ERR bus unavailable\n";
const FULL = encoder.encode("ERR server full\n");

/** The reply to a line that is too long. */
export function tooLongReply(maxLineBytes: number): Uint8Array {
  return encoder.encode(`ERR line too long (limit ${maxLineBytes} bytes)\n`);
}

/** How the messages of a room are written to a client. */
export interface LineOutput {
  /** Writes encoded messages. */
  readonly connection: ReaderConnection;
  /** Puts messages into the form that is written. */
  encode(batch: Batch): Messages;
  /** Puts replies, which are lines, into that form. */
  encodeReplies(lines: Uint8Array): Uint8Array;
}

/** Options for {@linkcode serveBroadcast}. */
export interface LineOptions {
  /** The login of the client, if any, which it must complete first unless it has. */
  login?: Login | undefined;
  /** How the client is written to. @default {lines as they are} */
  output?: LineOutput;
}

/** Writes lines as they are. */
function plainOutput(connection: Connection): LineOutput {
  return { connection, encode: ({ lines }) => lines, encodeReplies: (lines) => lines };
}

/** A client that speaks lines, as a subscriber. */
class LineSubscriber implements Subscriber {
  readonly reader: Reader;
  readonly encode: (batch: Batch) => Messages;
  subscriptions = 0;

  constructor(reader: Reader, output: LineOutput) {
    this.reader = reader;
    this.encode = (batch) => output.encode(batch);
  }

  hears(): boolean {
    return false;
  }

  describe(): ClientDescription {
    return { protocol: "lines" };
  }
}

/**
 * Serves a client in broadcast mode: publishes its lines, and sends it everything published.
 *
 * @param connection The client.
 * @param room The room it joins.
 * @param options See {@linkcode LineOptions}.
 */
export async function serveBroadcast(
  connection: Connection,
  room: Room,
  { login, output = plainOutput(connection) }: LineOptions = {},
): Promise<void> {
  const { bus, readers } = room.clients;
  const lines = new LineReader(connection, room.limits);
  if (login?.pending && !await loginByLine(connection, lines, login)) return;
  const { subject } = room;
  const listens = maySubscribe(login, subject);
  if (!listens && !mayPublish(login, subject)) {
    return await connection.write(NO_RIGHT);
  }
  const reader = readers.join(output.connection);
  const subscriber = connection.client = new LineSubscriber(reader, output);
  let subscription: Subscription | undefined;
  try {
    if (listens) subscription = room.enter(subscriber);
    await publishLines(lines, { room, subscriber, output, login });
    // When the daemon drains, other clients may still be publishing what this one must receive.
    await bus.settled(room.subject);
  } catch (error) {
    if (!(error instanceof SubscriptionLimitError)) throw error;
    reader.outbox.reply(output.encodeReplies(FULL));
  } finally {
    subscription?.unsubscribe();
    await readers.dismiss(reader);
  }
}

/** Publishes all lines of a client. */
async function publishLines(
  lines: LineReader,
  { room, subscriber, output, login }: {
    room: Room;
    subscriber: LineSubscriber;
    output: LineOutput;
    login: Login | undefined;
  },
): Promise<void> {
  const { clients, subject, limits } = room;
  const { outbox } = subscriber.reader;
  const publisher = new Publisher(clients.bus, {
    metrics: clients.published,
    failed: ({ count }) => {
      const replies = encoder.encode(UNAVAILABLE.repeat(count));
      return outbox.reply(output.encodeReplies(replies));
    },
  });
  for (let batch = await lines.read(); batch !== null; batch = await lines.read()) {
    if (!mayPublish(login, subject)) {
      const replies = encoder.encode(NO_RIGHT_TO_PUBLISH.repeat(batch.count));
      await outbox.reply(output.encodeReplies(replies));
      continue;
    }
    for (let from = 0; from < batch.count;) {
      if (batch.isTooLong(from)) {
        clients.countLongLine();
        // The reply must not overtake the messages before it.
        await publisher.settled();
        await outbox.reply(output.encodeReplies(tooLongReply(limits.maxLineBytes)));
        from++;
        continue;
      }
      let to = from + 1;
      while (to < batch.count && !batch.isTooLong(to)) to++;
      const messages = messagesOf(batch, from, to);
      const wait = publisher.publish(Batch.ofLines(subject, messages, subscriber));
      if (wait !== undefined) await wait;
      from = to;
    }
  }
  await publisher.settled();
}

/** Copies the lines `from` to `to` (exclusive), byte for byte, into one array to be shared. */
function messagesOf(batch: LineBatch, from: number, to: number): Messages {
  const start = batch.starts[from]!;
  const end = batch.nexts[to - 1]!;
  if (batch.bytes[end - 1] !== NEWLINE) return lastLine(batch.bytes.subarray(start, end));
  const bytes = batch.bytes.slice(start, end);
  if (to - from === 1) return { bytes, ends: [bytes.length] };
  const ends = new Uint32Array(to - from);
  for (let i = 0; i < ends.length; i++) ends[i] = batch.nexts[from + i]! - start;
  return { bytes, ends };
}

/** Adds the missing newline to a last line, which would otherwise run into the next message. */
function lastLine(line: Uint8Array): Messages {
  const bytes = new Uint8Array(line.length + 1);
  bytes.set(line);
  bytes[line.length] = NEWLINE;
  return { bytes, ends: [bytes.length] };
}
