import { LoadSockets } from "../support/load_sockets.ts";
import { measure, type Measurement } from "../support/measure.ts";
import { measureSockets } from "../support/measure_sockets.ts";
import type { ServerProcess } from "../support/servers.ts";
import { residentBytes } from "../support/usage.ts";
import { type BusProtocol, exchange, NATS, PING, subscribeElsewhere } from "./protocols.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** Options for {@linkcode measureFanOut}. */
export interface FanOutLoad {
  protocol: BusProtocol;
  subscribers: number;
  /** How many messages are sent at once; the next burst follows when all have received this one. */
  burst: number;
  messageBytes: number;
  /** Subscriptions of one more client to other subjects; NATS only. @default {0} */
  elsewhere?: number;
  seconds: number;
}

/** Measures deliveries per second of one publisher's messages to many subscribers. */
export async function measureFanOut(
  server: ServerProcess,
  load: FanOutLoad,
): Promise<Measurement> {
  const { protocol, subscribers, burst, messageBytes, elsewhere = 0, seconds } = load;
  using sockets = new LoadSockets();
  sockets.connect(server.port, subscribers + 2);
  for (let i = 0; i < subscribers; i++) protocol.subscribe(sockets, i);
  const publisher = subscribers;
  protocol.open(sockets, publisher);
  if (elsewhere > 0) subscribeElsewhere(sockets, publisher + 1, elsewhere);
  const message = "x".repeat(messageBytes);
  const messages = repeated(protocol.publish(message), burst);
  const roundBytes = burst *
    (subscribers * protocol.deliveredBytes(message) + protocol.repliedBytes(message));
  const mostPingBytes = PING.length * (subscribers + 2);
  let missing = 0;
  const onReceived = (_: number, bytes: number) => missing -= bytes;
  function round(): number {
    missing += roundBytes;
    sockets.send(publisher, messages);
    while (missing > 0) sockets.receive(onReceived);
    if (missing < -mostPingBytes) throw new Error("Cannot go on: more was received than sent");
    return burst * subscribers;
  }
  return await measure(server, { seconds, round });
}

/** The memory that a server uses for each of many clients that have sent nothing yet, in bytes. */
export async function measureMemory(
  server: ServerProcess,
  { protocol, clients }: { protocol: BusProtocol; clients: number },
): Promise<number> {
  const before = await residentBytes(server.pid);
  using sockets = new LoadSockets();
  sockets.connect(server.port, clients);
  for (let i = 0; i < clients; i++) protocol.subscribe(sockets, i);
  return (await residentBytes(server.pid) - before) / clients;
}

/** Options for {@linkcode measureStream}. */
export interface StreamLoad {
  messageBytes: number;
  /** How many messages are sent at once. */
  burst: number;
  /** How many messages may be on their way. */
  inFlight: number;
  seconds: number;
}

/** Measures messages per second from one NATS client to another. */
export async function measureStream(
  server: ServerProcess,
  { messageBytes, burst, inFlight, seconds }: StreamLoad,
): Promise<Measurement> {
  using sockets = new LoadSockets();
  sockets.connect(server.port, 2);
  NATS.subscribe(sockets, 0);
  NATS.open(sockets, 1);
  const message = "x".repeat(messageBytes);
  const messages = repeated(NATS.publish(message), burst);
  const burstBytes = burst * NATS.deliveredBytes(message);
  let missing = 0;
  const send = () => {
    for (; missing <= (inFlight / burst - 1) * burstBytes; missing += burstBytes) {
      sockets.send(1, messages);
    }
  };
  send();
  const bytesPerMessage = burstBytes / burst;
  const onReceived = (_: number, bytes: number) => {
    missing -= bytes;
    send();
    return bytes / bytesPerMessage;
  };
  return await measureSockets(server, sockets, { seconds, onReceived });
}

/** Options for {@linkcode measureRequests}. */
export interface RequestLoad {
  clients: number;
  messageBytes: number;
  seconds: number;
}

/**
 * Measures requests per second that NATS clients, each waiting for its reply, make of one service.
 * Every request has a reply subject of its own.
 */
export async function measureRequests(
  server: ServerProcess,
  { clients, messageBytes, seconds }: RequestLoad,
): Promise<Measurement> {
  using sockets = new LoadSockets();
  sockets.connect(server.port, clients + 1);
  const service = clients;
  NATS.subscribe(sockets, service);
  const message = "x".repeat(messageBytes);
  const numbers = new Uint32Array(clients);
  const inbox = (i: number) => `_INBOX.client-${String(i).padStart(4, "0")}`;
  const replySubject = (i: number) => `${inbox(i)}.${String(numbers[i]!).padStart(8, "0")}`;
  const ask = (i: number) => {
    numbers[i]!++;
    sockets.send(i, encoder.encode(`PUB x ${replySubject(i)} ${messageBytes}\r\n${message}\r\n`));
  };
  for (let i = 0; i < clients; i++) {
    NATS.open(sockets, i);
    exchange(sockets, i, { send: `SUB ${inbox(i)}.* 1\r\nPING\r\n`, end: "PONG\r\n" });
  }
  const subjectBytes = replySubject(0).length;
  const subjectAt = "MSG x 1 ".length;
  const requestBytes = `MSG x 1 ${replySubject(0)} ${messageBytes}\r\n${message}\r\n`.length;
  const replyBytes = `MSG ${replySubject(0)} 1 ${messageBytes}\r\n${message}\r\n`.length;
  const missing = new Float64Array(clients).fill(replyBytes);
  let unread = "";
  function answer(bytes: number): number {
    unread += decoder.decode(sockets.received.subarray(0, bytes)).replace(PING, "");
    let replies = "";
    let at = 0;
    for (; at + requestBytes <= unread.length; at += requestBytes) {
      const subject = unread.slice(at + subjectAt, at + subjectAt + subjectBytes);
      replies += `PUB ${subject} ${messageBytes}\r\n${message}\r\n`;
    }
    unread = unread.slice(at);
    if (replies !== "") sockets.send(service, encoder.encode(replies));
    return 0;
  }
  function onReceived(index: number, bytes: number): number {
    if (index === service) return answer(bytes);
    missing[index]! -= bytes;
    // Below zero after a PING, which needs no answer for minutes.
    if (missing[index]! > 0) return 0;
    missing[index] = replyBytes;
    ask(index);
    return 1;
  }
  for (let i = 0; i < clients; i++) ask(i);
  return await measureSockets(server, sockets, { seconds, onReceived });
}

function repeated(bytes: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(bytes.length * count);
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.length);
  return all;
}
