import { joinBytes } from "../../join_bytes.ts";
import { lossReason } from "../../net/connect.ts";
import { ReadBuffer } from "../../net/read_buffer.ts";

/** A reply of the server. */
export interface BeanstalkReply {
  /** The line, split at spaces. */
  readonly words: readonly string[];
  /** The body, if the first word of the line announces one; empty otherwise. */
  readonly body: Uint8Array;
}

/** Thrown when the connection ends before a reply has come. */
export class ConnectionLostError extends Error {
  override name = "ConnectionLostError";
}

/** Replies that end with the length of a body. */
const WITH_BODY: ReadonlySet<string> = new Set(["RESERVED", "FOUND", "OK", "RESULT"]);

/** The longest line accepted from a server. */
const MAX_LINE_BYTES = 64 * 1024;

/** The largest body accepted from a server. */
const MAX_BODY_BYTES = 2 ** 30;

const LF = 0x0a;
const CRLF = new Uint8Array([0x0d, LF]);
const NO_BODY = new Uint8Array(0);

/** A client of the beanstalk protocol. Commands can be sent before earlier replies have come. */
export class BeanstalkClient {
  readonly #conn: Deno.Conn;
  readonly #input = new ReadBuffer({ maxBytes: MAX_BODY_BYTES + MAX_LINE_BYTES });
  readonly #asked: PromiseWithResolvers<BeanstalkReply>[] = [];
  #sending: Promise<void> = Promise.resolve();
  #lost: ConnectionLostError | null = null;

  /** @param conn The connection, which the client owns from now on. */
  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.#read();
  }

  /** How many replies are outstanding. */
  get pending(): number {
    return this.#asked.length;
  }

  /**
   * Sends a command.
   *
   * @param line The command line, without its CRLF.
   * @param body The body, without its CRLF.
   * @throws {ConnectionLostError} If the connection ends before the reply.
   */
  ask(line: string, body?: Uint8Array): Promise<BeanstalkReply> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    const asked = Promise.withResolvers<BeanstalkReply>();
    this.#asked.push(asked);
    const head = new TextEncoder().encode(`${line}\r\n`);
    this.#sending = this.#sending
      .then(() => this.#send(body === undefined ? head : joinBytes([head, body, CRLF])))
      .catch((error) => this.#lose(error));
    return asked.promise;
  }

  /** Closes the connection. Outstanding replies reject. */
  close(): void {
    this.#lose(new Error("it was closed"));
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#conn.write(sent === 0 ? bytes : bytes.subarray(sent));
    }
  }

  async #read(): Promise<void> {
    try {
      while (await this.#input.fill(this.#conn)) {
        for (let reply; (reply = this.#nextReply()) !== null;) this.#asked.shift()?.resolve(reply);
      }
      this.#lose(new Error("the server has closed it"));
    } catch (error) {
      this.#lose(error as Error);
    }
  }

  #nextReply(): BeanstalkReply | null {
    const { bytes, start, end } = this.#input;
    const lineEnd = bytes.subarray(start, end).indexOf(LF);
    if (lineEnd === -1) {
      if (end - start > MAX_LINE_BYTES) throw new Error("the server speaks another protocol");
      return null;
    }
    const line = new TextDecoder().decode(bytes.subarray(start, start + lineEnd)).trimEnd();
    const words = line.split(" ");
    if (!WITH_BODY.has(words[0]!)) {
      this.#input.consume(lineEnd + 1);
      return { words, body: NO_BODY };
    }
    const length = Number(words.at(-1));
    if (!(length >= 0 && length <= MAX_BODY_BYTES)) {
      throw new Error("the server speaks another protocol");
    }
    const bodyStart = start + lineEnd + 1;
    if (end < bodyStart + length + 2) return null;
    const body = bytes.slice(bodyStart, bodyStart + length);
    this.#input.consume(lineEnd + 1 + length + 2);
    return { words, body };
  }

  #lose(cause: Error): void {
    if (this.#lost !== null) return;
    this.#lost = new ConnectionLostError(`Connection lost: ${lossReason(cause)}`, { cause });
    this.#conn.close();
    for (const asked of this.#asked.splice(0)) asked.reject(this.#lost);
  }
}
