import { STATUS_CODES } from "node:http";
import type { Connection } from "../connection.ts";
import type { HttpRefusal, HttpRequest, HttpUpgrade } from "./messages.ts";

/** How a server upgrades connections to another protocol. */
export interface HttpUpgradeOptions {
  /** The protocol as the header "Upgrade" names it. Requests for others are ordinary requests. */
  protocol: string;
  /**
   * How long a client of that protocol may take to finish a request that it has begun; 0 for no
   * limit.
   */
  requestTimeoutMs: number;
  /** Answers a request for it. If it throws, the error is logged and the client gets status 500. */
  answer: (request: HttpRequest) => HttpUpgrade | HttpRefusal | Promise<HttpUpgrade | HttpRefusal>;
}

/** Formats a reply that closes the connection, for when `node:http` cannot send one. */
export function closingReply(
  { status, body, headers = {} }: HttpRefusal,
  common: Readonly<Record<string, string>> = {},
): string {
  const length = String(new TextEncoder().encode(body).length);
  const type = "text/plain; charset=utf-8";
  return head(status, {
    connection: "close",
    ...common,
    "content-type": type,
    "content-length": length,
    ...headers,
  }) + body;
}

/** Accepts an upgrade of a connection, and serves it from then on. */
export async function switchProtocols(
  connection: Connection,
  { headers, serve }: HttpUpgrade,
  { protocol, read }: { protocol: string; read: Uint8Array },
): Promise<void> {
  const reply = head(101, { connection: "Upgrade", upgrade: protocol, ...headers });
  await connection.write(new TextEncoder().encode(reply));
  await serve(connection, read);
}

function head(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n`;
}
