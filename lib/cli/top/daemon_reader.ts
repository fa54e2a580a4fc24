import { deadline } from "@std/async/deadline";
import type { DaemonJson } from "../../admin/page/daemon_json.ts";
import { Interval } from "../../admin/page/interval.ts";
import { formatAddress } from "../../net/address.ts";
import type { ClientsJson } from "../../net/client_list.ts";
import { type AdminTarget, askAdmin, requestFailure } from "../admin_target.ts";
import { CommandError } from "../command.ts";
import type { Snapshot } from "./panels.ts";

/** How long the daemon may take to reply. */
const REPLY_MAX_MS = 5000;

/** The maximum size of a reply: the metrics of some thousand tubes and subjects. */
const REPLY_MAX_BYTES = 16 * 1024 * 1024;

/** Reads the state of a daemon again and again, through its admin service. */
export class DaemonReader {
  readonly #target: AdminTarget;
  readonly #headers: Record<string, string>;
  #last: DaemonJson | undefined;

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
   * Reads everything but the clients.
   *
   * @throws {CommandError} If the daemon does not answer.
   */
  async read(): Promise<Snapshot> {
    const last = this.#last;
    const path = `/state?log=${last?.log.position ?? Number.MAX_SAFE_INTEGER}`;
    const daemon = await this.#ask<DaemonJson>("GET", path);
    this.#last = daemon;
    const isSame = last !== undefined && last.startedMs === daemon.startedMs;
    return { daemon, interval: isSame ? new Interval(last, daemon) : undefined };
  }

  /**
   * Lists the clients of a service.
   *
   * @throws {CommandError} If the daemon does not answer, or does not show its clients to this user.
   */
  clients(service: string, fields: Record<string, unknown>): Promise<ClientsJson> {
    const path = `/services/${encodeURIComponent(service)}/queries/clients`;
    return this.#ask<ClientsJson>("POST", path, JSON.stringify(fields));
  }

  async #ask<T>(method: "GET" | "POST", path: string, body?: string): Promise<T> {
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
