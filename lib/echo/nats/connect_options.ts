import { FATAL_ERRORS } from "./words.ts";

/** What a client says about itself with CONNECT, as far as the server uses it. */
export interface ConnectOptions {
  /** Whether each operation is acknowledged with `+OK`. */
  verbose: boolean;
  /** Whether the subjects of published messages are checked. */
  pedantic: boolean;
  /** Whether the client hears its own messages. */
  echo: boolean;
  /** Whether it understands headers. */
  headers: boolean;
  /** Whether it wants a status message when nobody hears a request. */
  no_responders: boolean;
  /** The version of the protocol; 0 or 1. */
  protocol: number;
  auth_token: string;
  user: string;
  pass: string;
  name: string;
  lang: string;
  version: string;
}

/**
 * The options before the first CONNECT. A key that CONNECT leaves out keeps its value.
 */
export const DEFAULT_CONNECT_OPTIONS: Readonly<ConnectOptions> = {
  verbose: true,
  pedantic: true,
  echo: true,
  headers: false,
  no_responders: false,
  protocol: 0,
  auth_token: "",
  user: "",
  pass: "",
  name: "",
  lang: "",
  version: "",
};

/** An error in a CONNECT; the message is the text of the reply. */
export class ConnectError extends Error {
  override name = "ConnectError";
}

/**
 * Parses the argument of CONNECT. As in nats-server, the case of keys does not matter, unknown keys
 * are ignored, and `null` keeps the value.
 *
 * @param json The argument.
 * @param current The options so far.
 * @throws {ConnectError} If it is not an object with values of the right types, or its options
 * contradict each other.
 */
export function parseConnect(
  json: Uint8Array,
  current: Readonly<ConnectOptions>,
): Readonly<ConnectOptions> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    throw new ConnectError(FATAL_ERRORS.parser, { cause });
  }
  if (typeof parsed !== "object" || Array.isArray(parsed)) {
    throw new ConnectError(FATAL_ERRORS.parser);
  }
  const options: Record<string, unknown> = { ...current };
  for (const [key, value] of Object.entries(parsed ?? {})) {
    const name = key.toLowerCase();
    if (!Object.hasOwn(options, name) || value === null) continue;
    if (typeof value !== typeof options[name]) throw new ConnectError(FATAL_ERRORS.parser);
    options[name] = value;
  }
  const checked = options as unknown as ConnectOptions;
  if (checked.protocol !== 0 && checked.protocol !== 1) {
    throw new ConnectError(FATAL_ERRORS.clientProtocol);
  }
  if (checked.no_responders && !checked.headers) {
    throw new ConnectError(FATAL_ERRORS.respondersNeedHeaders);
  }
  return checked;
}
