/**
 * The words and limits of the NATS client protocol
 * (https://docs.nats.io/reference/reference-protocols/nats-protocol). The texts of the errors are
 * those of nats-server, as clients compare them.
 *
 * @module
 */

/** The maximum length of the arguments of an operation: what is between its name and its line end. */
export const MAX_CONTROL_LINE_BYTES = 4096;

/** Sizes have at most this many digits. */
export const MAX_SIZE_DIGITS = 9;

/** A client that has not answered this many PINGs is given up at the next one. */
export const MAX_PINGS_OUT = 2;

/** After these errors the connection is closed. */
export const FATAL_ERRORS = {
  unknownOperation: "Unknown Protocol Operation",
  parser: "Parser Error",
  controlLine: "maximum control line exceeded",
  payload: "Maximum Payload Violation",
  headersOff: "message headers not supported",
  respondersNeedHeaders: "no responders requires headers support",
  clientProtocol: "invalid client protocol",
  authorization: "Authorization Violation",
  authenticationTimeout: "Authentication Timeout",
  authenticationRevoked: "User Authentication Revoked",
  staleConnection: "Stale Connection",
  connections: "maximum connections exceeded",
} as const;

/** After these errors the connection stays. */
export const ERRORS = {
  subject: "Invalid Subject",
  publishSubject: "Invalid Publish Subject",
  subscriptions: "maximum subscriptions exceeded",
  unavailable: "Bus Unavailable",
} as const;

const encoder = new TextEncoder();

/** Replies without arguments. */
export const REPLIES = {
  ok: encoder.encode("+OK\r\n"),
  ping: encoder.encode("PING\r\n"),
  pong: encoder.encode("PONG\r\n"),
} as const;

/** The reply for an error. */
export function errorReply(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`-ERR '${text}'\r\n`);
}
