import { LoadSockets } from "../support/load_sockets.ts";
import { measure, type Measurement } from "../support/measure.ts";
import { measureSockets } from "../support/measure_sockets.ts";
import type { ServerProcess } from "../support/servers.ts";

const encoder = new TextEncoder();

/** Options for {@linkcode measureReplies}. */
export interface ReplyLoad {
  connections: number;
  /** The length of a line, its newline included. */
  lineBytes: number;
  /** How many lines a connection sends before it waits for the replies to all of them. */
  inFlight: number;
  /** The reply to a line, without its newline. */
  reply: string;
  seconds: number;
}

/** Measures how many lines a server answers per second. */
export async function measureReplies(
  server: ServerProcess,
  load: ReplyLoad,
): Promise<Measurement> {
  using sockets = new LoadSockets();
  sockets.connect(server.port, load.connections);
  const lines = encoder.encode(`${"x".repeat(load.lineBytes - 1)}\n`.repeat(load.inFlight));
  const replyBytes = (load.reply.length + 1) * load.inFlight;
  const missing = new Float64Array(load.connections).fill(replyBytes);
  function onReceived(index: number, bytes: number): number {
    const left = missing[index]! - bytes;
    if (left < 0) throw new Error("Cannot go on: the server sends more replies than requested");
    if (left > 0) {
      missing[index] = left;
      return 0;
    }
    missing[index] = replyBytes;
    sockets.send(index, lines);
    return load.inFlight;
  }
  for (let i = 0; i < load.connections; i++) sockets.send(i, lines);
  return await measureSockets(server, sockets, { seconds: load.seconds, onReceived });
}

/** The wire format of a broadcast. */
export interface BroadcastProtocol {
  /** Makes every connection a receiver of messages; returns when all are. */
  join(sockets: LoadSockets): void;
  publish(message: string): string;
  deliver(message: string): string;
}

/** The protocol of quartet: a message is a line. */
export const LINES: BroadcastProtocol = {
  join(sockets) {
    // Connections are accepted in order: once the last one has joined, all have.
    const line = encoder.encode("joined\n");
    sockets.send(sockets.count - 1, line);
    let missing = line.length * sockets.count;
    while (missing > 0) sockets.receive((_, bytes) => missing -= bytes);
  },
  publish: (message) => `${message}\n`,
  deliver: (message) => `${message}\n`,
};

/** The protocol of NATS. */
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
  /** How many messages are sent at once; the next burst follows when all have received this one. */
  burst: number;
  messageBytes: number;
  protocol: BroadcastProtocol;
  seconds: number;
}

/** Measures how many messages a server delivers per second; one of the clients publishes. */
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
    if (missing < 0) throw new Error("Cannot go on: more was received than sent");
    return load.burst * load.clients;
  }
  return await measure(server, { seconds: load.seconds, round });
}
