import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { isPattern } from "../bus/subject.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { addressArgument } from "./dial.ts";
import { connectNats } from "./nats_connection.ts";
import { RAW_OPTION, ReceivedOutput } from "./received_output.ts";
import { SERVER_OPTIONS } from "./server_options.ts";
import { printError } from "./terminal.ts";
import { timeOption } from "./time_option.ts";
import { wholeNumberOption } from "./whole_number.ts";

const encoder = new TextEncoder();

/** `quartet sub`: prints the messages on the subjects that match a pattern. */
export const sub: Command = {
  name: "sub",
  summary: "Prints the messages on a subject, over the NATS protocol",
  usage: "HOST:PORT PATTERN [--count N] [--timeout TIME] [--subject] [--raw]",
  positionals: [2, 2],
  options: [
    { name: "count", value: "N", help: "ends after N messages" },
    {
      name: "timeout",
      value: "TIME",
      help: "ends after this time; with --count, it is an error if messages are missing then",
    },
    { name: "group", value: "NAME", help: "joins a queue group: each message goes to one member" },
    { name: "subject", help: "prints the subject and a tab before each message" },
    { name: "retry", help: "keeps trying for half a minute if there is no server yet" },
    RAW_OPTION,
    ...SERVER_OPTIONS,
  ],
  details:
    `The server is the NATS port of quartet ("nats" in [echo]) or a nats-server. In PATTERN, "*" stands
for one word and ">" at the end for all that follow: quote them for the shell. Each message is
printed with a newline after it. A lost connection is dialed again for half a minute; messages of
the meantime are lost. If standard output is a terminal, control characters in messages are shown as
\\x1b, so that they cannot change colours or move the cursor.`,
  run: async (args) => {
    const [server, pattern] = args.positionals as [string, string];
    const address = addressArgument(server);
    if (!isPattern(pattern)) {
      throw new UsageError(`"${pattern}" is not a pattern: words separated by dots, "*" or ">"`);
    }
    const count = wholeNumberOption(args, "count", { min: 1, max: 1e15, fallback: Infinity });
    const timeoutMs = timeOption(args, "timeout");
    const queue = args.text("group");
    const nats = await connectNats(address, args, { retry: args.flag("retry"), reconnect: true });
    const output = new ReceivedOutput(args);
    let late = false;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
      late = true;
      nats.close();
    }, timeoutMs);
    try {
      const messages = nats.subscribe(pattern, queue === undefined ? {} : { queue });
      reportConnection(nats);
      let received = 0;
      for await (const message of messages) {
        received++;
        if (!output.write(shown(message, args.flag("subject"))) || received === count) {
          return EXIT.OK;
        }
      }
      if (!late) throw lossError(await messages.closed ?? await nats.closed());
      if (count === Infinity) return EXIT.OK;
      throw new CommandError(`Only ${received} of ${count} messages came in time`);
    } finally {
      clearTimeout(timer);
      await nats.close();
    }
  },
};

function lossError(error: Error | void): CommandError {
  const reason = error instanceof Error ? error.message : "the server has closed the connection";
  return new CommandError(`Cannot receive: ${reason}`);
}

function shown({ subject, data }: Msg, withSubject: boolean): Uint8Array {
  const prefix = encoder.encode(withSubject ? `${subject}\t` : "");
  const line = new Uint8Array(prefix.length + data.length + 1);
  line.set(prefix);
  line.set(data, prefix.length);
  line[line.length - 1] = 10;
  return line;
}

/** Tells the user when the connection is lost and back. */
async function reportConnection(nats: NatsConnection): Promise<void> {
  for await (const status of nats.status()) {
    if (status.type === "disconnect") printError("The connection is lost; trying again");
    else if (status.type === "reconnect") printError("Connected again");
  }
}
