import { deadline } from "@std/async/deadline";
import { formatAddress } from "../net/address.ts";
import { type AdminTarget, askAdmin, requestFailure } from "./admin_target.ts";
import { CommandError } from "./command.ts";

/** How long the daemon may take to reply. */
const REPLY_MAX_MS = 5000;

/** The maximum size of a reply: the metrics of some thousand tubes and subjects. */
const REPLY_MAX_BYTES = 16 * 1024 * 1024;

/** Asks the admin service of a running daemon; requests and replies are JSON. */
export class AdminClient {
  readonly #target: AdminTarget;
  readonly #headers: Record<string, string>;

  /**
   * @param target The admin service.
   * @param token Its token, if it has one.
   */
  constructor(target: AdminTarget, token: string | undefined) {
    this.#target = target;
    const host = formatAddress(target.address);
    // Without a token, admin answers questions only to its own page.
    const origin = { origin: `${target.secure ? "https" : "http"}://${host}`, host };
    this.#headers = token === undefined ? origin : { authorization: `Bearer ${token}` };
  }

  /** Where the daemon is. */
  get address(): string {
    return formatAddress(this.#target.address);
  }

  /**
   * Sends a request and parses the reply, whose form it does not check.
   *
   * @throws {CommandError} If the daemon does not answer in time, or refuses.
   */
  async ask<T>(method: "GET" | "POST", path: string, body?: string): Promise<T> {
    const over = new AbortController();
    try {
      return await deadline(this.#send<T>({ method, path, body, over }), REPLY_MAX_MS);
    } catch (error) {
      if (error instanceof CommandError) throw error;
      const late = error instanceof DOMException && error.name === "TimeoutError";
      const why = late ? `no reply within ${REPLY_MAX_MS / 1000} s` : requestFailure(error);
      throw new CommandError(`Cannot ask ${this.address}: ${why}`);
    } finally {
      over.abort();
    }
  }

  async #send<T>({ method, path, body, over }: {
    method: "GET" | "POST";
    path: string;
    body: string | undefined;
    over: AbortController;
  }): Promise<T> {
    const reply = await askAdmin(this.#target, {
      ...{ method, path, headers: this.#headers, signal: over.signal },
      ...(body === undefined ? {} : { body }),
    });
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of reply.body) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > REPLY_MAX_BYTES) throw new Error("the reply does not end");
    }
    if (reply.status === 401) {
      throw new CommandError(
        `${this.address} requires a token: name a file with --token-file, or set QUARTET_TOKEN`,
      );
    }
    const answer = parse<T & { error?: string }>(text);
    if (reply.status === 200 && answer !== undefined) return answer;
    throw new CommandError(`${this.address}: ${answer?.error ?? `HTTP ${reply.status}`}`);
  }
}

function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
