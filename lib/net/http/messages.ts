import type { Connection } from "../connection.ts";
import type { ByteStream } from "./byte_stream.ts";
import type { EventStream } from "./event_stream.ts";

/** A complete request. */
export interface HttpRequest {
  method: string;
  /** The path without the query, as sent. */
  path: string;
  query: URLSearchParams;
  /** The address of the client, without its port. */
  remote: string;
  /** Values by lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
  /** What the connection is told about the request: the token that it carries. */
  connection?: Pick<Connection, "tokenName">;
}

/** The reply to a request. */
export interface HttpReply {
  status: number;
  /** The media type of the body. */
  type: string;
  headers?: Record<string, string>;
  /**
   * The text, or a function that sends events or bytes until it resolves. If it rejects, the reply is
   * cut off.
   */
  body:
    | string
    | ((events: EventStream) => Promise<void>)
    | { send: (output: ByteStream) => Promise<void> };
}

/** The acceptance of a request to go on with another protocol on the same connection. */
export interface HttpUpgrade {
  /** Headers of the reply with status 101, beside "Connection" and "Upgrade". */
  headers: Readonly<Record<string, string>>;
  /**
   * Serves the connection from then on, as the handler of a `Listener` does.
   *
   * @param connection The connection.
   * @param head Bytes that came with the request; they precede those still to be read.
   */
  serve: (connection: Connection, head: Uint8Array) => Promise<void>;
}

/** The refusal of such a request; the connection is closed after it. */
export interface HttpRefusal {
  status: number;
  /** The reason, as plain text. */
  body: string;
  headers?: Readonly<Record<string, string>>;
}
