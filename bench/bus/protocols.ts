import type { LoadSockets } from "../support/load_sockets.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** How clients of a protocol subscribe, publish and hear. */
export interface BusProtocol {
  /** Makes connection `index` a subscriber; returns when it is. */
  subscribe(sockets: LoadSockets, index: number): void;
  /** Prepares connection `index` for publishing. */
  open(sockets: LoadSockets, index: number): void;
  publish(message: string): Uint8Array<ArrayBuffer>;
  /** How many bytes a subscriber receives for a message. */
  deliveredBytes(message: string): number;
  /** How many bytes the publisher itself receives for each message. */
  repliedBytes(message: string): number;
}

/** Sends text on one connection and receives on any until that one has received text to its end. */
export function exchange(
  sockets: LoadSockets,
  index: number,
  { send, end }: { send: string; end: string },
): void {
  sockets.send(index, encoder.encode(send));
  for (let heard = ""; !heard.endsWith(end);) {
    sockets.receive((from, bytes) => {
      if (from === index) heard += decoder.decode(sockets.received.subarray(0, bytes));
    });
  }
}

const CONNECT =
  'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n';

/** nats-server sends each client this, two seconds after it has connected. */
export const PING = "PING\r\n";

/** NATS, on the subject `x`. */
export const NATS: BusProtocol = {
  subscribe: (sockets, index) =>
    exchange(sockets, index, { send: `${CONNECT}SUB x 1\r\nPING\r\n`, end: "PONG\r\n" }),
  open: (sockets, index) =>
    exchange(sockets, index, { send: `${CONNECT}PING\r\n`, end: "PONG\r\n" }),
  publish: (message) => encoder.encode(`PUB x ${message.length}\r\n${message}\r\n`),
  deliveredBytes: (message) => `MSG x 1 ${message.length}\r\n${message}\r\n`.length,
  repliedBytes: () => 0,
};

/** Subscribes one connection to many subjects on which nothing is published. */
export function subscribeElsewhere(sockets: LoadSockets, index: number, count: number): void {
  const PIECE = 1000;
  exchange(sockets, index, { send: `${CONNECT}PING\r\n`, end: "PONG\r\n" });
  for (let from = 0; from < count; from += PIECE) {
    const length = Math.min(PIECE, count - from);
    const names = Array.from({ length }, (_, i) => `SUB other.${from + i} ${from + i}\r\n`);
    exchange(sockets, index, { send: `${names.join("")}PING\r\n`, end: "PONG\r\n" });
  }
}

/** Redis, on the channel `x`. */
export const REDIS: BusProtocol = {
  subscribe: (sockets, index) =>
    exchange(sockets, index, { send: "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nx\r\n", end: ":1\r\n" }),
  open: (sockets, index) =>
    exchange(sockets, index, { send: "*1\r\n$4\r\nPING\r\n", end: "PONG\r\n" }),
  publish: (message) =>
    encoder.encode(`*3\r\n$7\r\nPUBLISH\r\n$1\r\nx\r\n$${message.length}\r\n${message}\r\n`),
  deliveredBytes: (message) =>
    `*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$${message.length}\r\n${message}\r\n`.length,
  // The number of subscribers, which has two digits here.
  repliedBytes: () => ":50\r\n".length,
};

/** Lines over WebSockets (RFC 6455). */
export const WEBSOCKET: BusProtocol = {
  subscribe: openWebSocket,
  open: openWebSocket,
  publish: (message) => {
    const FINAL_TEXT = 0x81;
    const MASKED = 0x80;
    // A mask of zeros leaves the message as it is.
    const head = [FINAL_TEXT, MASKED | message.length, 0, 0, 0, 0];
    return Uint8Array.from([...head, ...encoder.encode(message)]);
  },
  deliveredBytes: (message) => 2 + message.length,
  // The publisher is in the room as well.
  repliedBytes: (message) => 2 + message.length,
};

function openWebSocket(sockets: LoadSockets, index: number): void {
  const request = [
    "GET / HTTP/1.1",
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "\r\n",
  ];
  exchange(sockets, index, { send: request.join("\r\n"), end: "\r\n\r\n" });
}
