import { LoadSockets } from "../support/load_sockets.ts";
import { measure, type Measurement } from "../support/measure.ts";
import type { ServerProcess } from "../support/servers.ts";

const encoder = new TextEncoder();

/** Options for {@linkcode measureReplies}. */
export interface ReplyLoad {
  connections: number;
  /** The length of a line, its newline included. */
  lineBytes: number;
  /** How many lines a connection sends before it waits for the answers to all of them. */
  inFlight: number;
  /** What the server answers a line with, without its newline. */
  reply: string;
  seconds: number;
}

/** Measures how many lines a second a server answers. */
export async function measureReplies(
  server: ServerProcess,
  load: ReplyLoad,
): Promise<Measurement> {
  using sockets = new LoadSockets();
  sockets.connect(server.port, load.connections);
  const lines = encoder.encode(`${"x".repeat(load.lineBytes - 1)}\n`.repeat(load.inFlight));
  const answerBytes = (load.reply.length + 1) * load.inFlight;
  const missing = new Float64Array(load.connections).fill(answerBytes);
  let answered = 0;
  function onReceived(index: number, bytes: number): void {
    const left = missing[index]! - bytes;
    if (left < 0) throw new Error("Cannot go on: the server answers more than it was asked");
    if (left > 0) {
      missing[index] = left;
      return;
    }
    missing[index] = answerBytes;
    answered += load.inFlight;
    sockets.send(index, lines);
  }
  for (let i = 0; i < load.connections; i++) sockets.send(i, lines);
  function round(): number {
    answered = 0;
    sockets.receive(onReceived);
    return answered;
  }
  return await measure(server, { seconds: load.seconds, round });
}

/** How a broadcast is put on the wire. */
export interface BroadcastProtocol {
  /** Makes every connection a client that gets messages; returns when that is so. */
  join(sockets: LoadSockets): void;
  publish(message: string): string;
  deliver(message: string): string;
}

/** quartet's: a message is a line. */
export const LINES: BroadcastProtocol = {
  join(sockets) {
    // Connections are accepted in order: when the last one is there, all are.
    const line = encoder.encode("joined\n");
    sockets.send(sockets.count - 1, line);
    let missing = line.length * sockets.count;
    while (missing > 0) sockets.receive((_, bytes) => missing -= bytes);
  },
  publish: (message) => `${message}\n`,
  deliver: (message) => `${message}\n`,
};

/** That of nats-server. */
export const NATS: BroadcastProtocol = {
  join(sockets) {
    const words = encoder.encode('CONNECT {"verbose":false}\r\nSUB x 1\r\nPING\r\n');
    const decoder = new TextDecoder("latin1");
    const heard = new Array<string>(sockets.count).fill("");
    const waiting = new Set(heard.keys());
    for (let i = 0; i < sockets.count; i++) sockets.send(i, words);
    while (waiting.size > 0) {
      sockets.receive((index, bytes) => {
        heard[index] += decoder.decode(sockets.received.subarray(0, bytes));
        if (heard[index]!.endsWith("PONG\r\n")) waiting.delete(index);
      });
    }
  },
  publish: (message) => `PUB x ${message.length}\r\n${message}\r\n`,
  deliver: (message) => `MSG x 1 ${message.length}\r\n${message}\r\n`,
};

/** Options for {@linkcode measureBroadcast}. */
export interface BroadcastLoad {
  clients: number;
  /** How many messages are sent at once; the next ones go when everybody has got these. */
  burst: number;
  messageBytes: number;
  protocol: BroadcastProtocol;
  seconds: number;
}

/** Measures how many messages a second a server delivers; one of the clients publishes. */
export async function measureBroadcast(
  server: ServerProcess,
  load: BroadcastLoad,
): Promise<Measurement> {
  using sockets = new LoadSockets();
  sockets.connect(server.port, load.clients);
  load.protocol.join(sockets);
  const message = "x".repeat(load.messageBytes);
  const burst = encoder.encode(load.protocol.publish(message).repeat(load.burst));
  const roundBytes = load.protocol.deliver(message).length * load.burst * load.clients;
  let missing = 0;
  const onReceived = (_: number, bytes: number) => missing -= bytes;
  function round(): number {
    missing = roundBytes;
    sockets.send(0, burst);
    while (missing > 0) sockets.receive(onReceived);
    if (missing < 0) throw new Error("Cannot go on: more came than was sent");
    return load.burst * load.clients;
  }
  return await measure(server, { seconds: load.seconds, round });
}
