/**
 * A proxy in front of PostgreSQL that makes it reject some statements, as servers do that only
 * resemble PostgreSQL.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** The server rejects this with SQLSTATE 0A000 (feature not supported), without executing anything. */
const REJECTED = "SELECT DISTINCT 1 FOR UPDATE";

/** A proxy on a port of its own. */
export class PostgresProxy implements AsyncDisposable {
  /** The rejected statements, in order. */
  readonly rejected: string[] = [];
  readonly #target: URL;
  readonly #pattern: RegExp;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns = new Set<Deno.Conn>();
  readonly #work = new Set<Promise<void>>();

  /**
   * @param url The database.
   * @param pattern Statements that match it are rejected.
   */
  constructor(url: string, pattern: RegExp) {
    this.#target = new URL(url);
    this.#pattern = pattern;
    this.#spawn(this.#accept());
  }

  /** The URL of the database behind this proxy. */
  get url(): string {
    const url = new URL(this.#target);
    url.port = String((this.#listener.addr as Deno.NetAddr).port);
    return url.href;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) this.#end(conn);
    await Promise.all(this.#work);
  }

  #spawn(work: Promise<void>): void {
    this.#work.add(work);
    work.finally(() => this.#work.delete(work));
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) {
        this.#conns.add(client);
        this.#spawn(this.#serve(client));
      }
    } catch {
      // The listener was closed.
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    const { hostname, port } = this.#target;
    const server = await Deno.connect({ hostname, port: Number(port) });
    this.#conns.add(server);
    await Promise.all([this.#copy(server, client), this.#copyRequests(client, server)]);
  }

  async #copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const chunk = new Uint8Array(65536);
    try {
      for (let count; (count = await from.read(chunk)) !== null;) {
        await writeAll(to, chunk.subarray(0, count));
      }
    } catch {
      // One side has closed.
    }
    this.#end(from);
    this.#end(to);
  }

  /** Copies the messages of a client: type, length and content; the first one has no type. */
  async #copyRequests(client: Deno.Conn, server: Deno.Conn): Promise<void> {
    const chunk = new Uint8Array(65536);
    let unread = Buffer.alloc(0);
    let typed = 0;
    try {
      for (let count; (count = await client.read(chunk)) !== null;) {
        unread = Buffer.concat([unread, chunk.subarray(0, count)]);
        for (;;) {
          if (unread.length < typed + 4) break;
          const end = typed + unread.readUInt32BE(typed);
          if (unread.length < end) break;
          await writeAll(
            server,
            typed === 0 ? unread.subarray(0, end) : this.#request(unread, end),
          );
          unread = unread.subarray(end);
          typed = 1;
        }
      }
    } catch {
      // One side has closed.
    }
    this.#end(client);
    this.#end(server);
  }

  /** A message, with its statement replaced if the server has to reject it. */
  #request(bytes: Buffer, end: number): Uint8Array {
    const message = bytes.subarray(0, end);
    const type = String.fromCharCode(message[0]!);
    if (type !== "P" && type !== "Q") return message;
    // A Parse message begins with the name of the statement.
    const start = type === "P" ? message.indexOf(0, 5) + 1 : 5;
    const stop = message.indexOf(0, start);
    const statement = message.toString("utf8", start, stop);
    if (!this.#pattern.test(statement)) return message;
    this.rejected.push(statement);
    const replaced = Buffer.concat([
      message.subarray(0, start),
      Buffer.from(REJECTED),
      message.subarray(stop),
    ]);
    replaced.writeUInt32BE(replaced.length - 1, 1);
    return replaced;
  }

  #end(conn: Deno.Conn): void {
    if (this.#conns.delete(conn)) conn.close();
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}
