import type { NatsConnection } from "@nats-io/transport-node";
import { deadline } from "@std/async/deadline";
import { isSubject } from "../bus/subject.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { addressArgument } from "./dial.ts";
import { linesOf } from "./lines.ts";
import { connectNats } from "./nats_connection.ts";
import { SERVER_OPTIONS } from "./server_options.ts";
import { timeOption } from "./time_option.ts";

const DEFAULT_TIMEOUT = "10s";

/** How many messages are sent between two confirmations of the server. */
const WINDOW = 1000;

/** `quartet pub`: publishes messages on a subject. */
export const pub: Command = {
  name: "pub",
  summary: "Publishes a message on a subject, over the NATS protocol",
  usage: "HOST:PORT SUBJECT [--lines] [MESSAGE|-]",
  positionals: [2, 3],
  options: [
    { name: "lines", help: "publishes each line of standard input as a message" },
    {
      name: "timeout",
      value: "TIME",
      help: `how long the server may take to answer (default ${DEFAULT_TIMEOUT})`,
    },
    { name: "retry", help: "keeps trying for half a minute if there is no server yet" },
    ...SERVER_OPTIONS,
  ],
  details:
    `The server is the NATS port of quartet ("nats" in [echo]) or a nats-server. Without MESSAGE, or
with "-", the message is read from standard input. Write "--" before a MESSAGE that begins with a
dash. The exit code is 0 once the server has confirmed that it has everything.`,
  run: async (args) => {
    const [server, subject, message] = args.positionals as [string, string, string?];
    const address = addressArgument(server);
    if (!isSubject(subject)) {
      throw new UsageError(`"${subject}" is not a subject: words separated by dots, no wildcards`);
    }
    const lines = args.flag("lines");
    if (lines && message !== undefined) throw new UsageError("--lines takes no MESSAGE");
    const timeoutMs = timeOption(args, "timeout", DEFAULT_TIMEOUT);
    const retry = args.flag("retry");
    const nats = await connectNats(address, args, { retry, reconnect: false, timeoutMs });
    const publisher = new Confirmed(nats, timeoutMs);
    try {
      if (lines) {
        for await (const line of linesOf(Deno.stdin)) await publisher.publish(subject, line);
      } else await publisher.publish(subject, await messageOf(message));
      await publisher.confirm();
      return EXIT.OK;
    } finally {
      await nats.close();
    }
  },
};

/** Publishes messages, and asks the server every now and then whether it has them. */
class Confirmed {
  readonly #nats: NatsConnection;
  readonly #timeoutMs: number;
  #unconfirmed = 0;
  #failure: Error | undefined;

  constructor(nats: NatsConnection, timeoutMs: number) {
    this.#nats = nats;
    this.#timeoutMs = timeoutMs;
    this.#watch();
  }

  async publish(subject: string, message: Uint8Array): Promise<void> {
    try {
      this.#nats.publish(subject, message);
    } catch (error) {
      throw this.#refused(error as Error);
    }
    if (++this.#unconfirmed === WINDOW) await this.confirm();
  }

  /**
   * Waits until the server has answered a ping behind the messages.
   *
   * @throws {CommandError} If it does not, or has refused one.
   */
  async confirm(): Promise<void> {
    try {
      await deadline(this.#nats.flush(), this.#timeoutMs);
    } catch (error) {
      throw this.#refused(this.#failure ?? error as Error);
    }
    if (this.#failure !== undefined) throw this.#refused(this.#failure);
    this.#unconfirmed = 0;
  }

  /** The server reports refused messages whenever it likes. */
  async #watch(): Promise<void> {
    for await (const status of this.#nats.status()) {
      if (status.type === "error") this.#failure ??= status.error;
    }
  }

  #refused({ name, message }: Error): CommandError {
    const reason = name === "TimeoutError"
      ? `the server did not confirm it within ${this.#timeoutMs / 1000} s`
      : message;
    return new CommandError(`Cannot publish: ${reason}`);
  }
}

async function messageOf(argument = "-"): Promise<Uint8Array> {
  if (argument !== "-") return new TextEncoder().encode(argument);
  return await new Response(Deno.stdin.readable).bytes();
}
