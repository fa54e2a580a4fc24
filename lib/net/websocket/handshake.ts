import { createHash } from "node:crypto";
import type { HttpRefusal, HttpRequest } from "../http/messages.ts";

/** The only version of the protocol (RFC 6455, section 4.1). */
const VERSION = "13";

/** What a server appends to the key of a client (section 1.3). */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * Answers an opening handshake (section 4.2). No extension or subprotocol is accepted.
 *
 * @param request A request whose header "Upgrade" names the protocol.
 * @returns The headers of the acceptance, or why there is none.
 */
export function acceptHandshake(
  { method, headers }: HttpRequest,
): Readonly<Record<string, string>> | HttpRefusal {
  if (method !== "GET") return { status: 405, body: "Use GET.\n", headers: { allow: "GET" } };
  if (headers["sec-websocket-version"] !== VERSION) {
    const body = `Use version ${VERSION} of the WebSocket protocol.\n`;
    return { status: 426, body, headers: { "sec-websocket-version": VERSION } };
  }
  const key = headers["sec-websocket-key"];
  if (typeof key !== "string" || !KEY.test(key)) {
    return { status: 400, body: "Sec-WebSocket-Key must be 16 bytes in base64.\n" };
  }
  const accept = createHash("sha1").update(key + ACCEPT_SUFFIX).digest("base64");
  return { "sec-websocket-accept": accept };
}
