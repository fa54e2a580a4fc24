/**
 * Access control of the admin service. If the service has no token, everyone who can reach its
 * address may read, and clients on this machine may also make changes. If it has one, clients need
 * the token for both.
 *
 * @module
 */

import type { Guard } from "../auth.ts";
import type { Log } from "../log.ts";
import type { Address } from "../net/address.ts";
import type { Verdict } from "../net/login.ts";
import type { HttpRequest } from "./http_server.ts";
import { Sessions } from "./sessions.ts";

/** Host names that always mean this machine. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

/**
 * The sender of a request: `anyone` if the service has no token; otherwise `token` or `session` if
 * the request carries a valid one, and `stranger` if not.
 */
export type Visitor = "anyone" | "token" | "session" | "stranger";

/** Options for {@linkcode Access}. */
export interface AccessOptions {
  /** Where the server listens, which decides who can reach it. */
  address: Address;
  /** Whether the server speaks TLS. */
  secure: boolean;
  /** The current guard; `undefined` while the service has no token. */
  guard: () => Guard | undefined;
  log: Log;
}

/** Decides which requests may read and which may make changes. */
export class Access {
  readonly #options: AccessOptions;
  readonly #sessions: Sessions;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#sessions = new Sessions(options);
  }

  /** Why this server accepts no changes; `undefined` if it accepts them. */
  get readOnly(): string | undefined {
    if (isLocal(this.#options.address) || this.#options.guard() !== undefined) return undefined;
    return "Nothing can be changed here: other machines can reach this address without a token.";
  }

  /** The sender of a request; "blocked" after too many wrong tokens from its address. */
  async visitor(request: HttpRequest): Promise<Visitor | "blocked"> {
    const guard = this.#options.guard();
    if (guard === undefined) return "anyone";
    if (this.#sessions.has(request, guard)) return "session";
    const bearer = /^Bearer +(\S+)$/i.exec(text(request.headers["authorization"]) ?? "")?.[1];
    if (bearer === undefined) return "stranger";
    const verdict = await this.#judge(guard, bearer, request);
    if (verdict === "blocked") return "blocked";
    return verdict === "right" ? "token" : "stranger";
  }

  /**
   * Why a request must not be answered at all; `undefined` if it may be. A foreign web page can point
   * its own host name at 127.0.0.1 and then read this server as if it were its own ("DNS rebinding").
   * The browser sends that name in the Host header, so on loopback the header must name this machine.
   * With tokens the attack gains nothing: the browser holds no session for the foreign name.
   */
  refuseHost(request: HttpRequest): string | undefined {
    const { address, guard } = this.#options;
    if (address.transport === "unix" || !isLocal(address) || guard() !== undefined) {
      return undefined;
    }
    const host = text(request.headers["host"]);
    if (host === undefined || LOOPBACK.test(hostnameOf(host))) return undefined;
    return `Unknown host "${host}": use ${address.hostname} or localhost.`;
  }

  /**
   * Why a request must not change anything; `undefined` if it may. This stops a foreign web page from
   * sending requests in its visitor's name (CSRF): browsers state the origin of a request, and they
   * never add an `Authorization` header by themselves.
   */
  refuseChange(request: HttpRequest, visitor: Visitor): string | undefined {
    if (this.readOnly !== undefined) return this.readOnly;
    if (visitor === "token") return undefined;
    const scheme = this.#options.secure ? "https" : "http";
    const site = text(request.headers["sec-fetch-site"]);
    const origin = text(request.headers["origin"]);
    const fromHere = origin === undefined
      ? site === "same-origin"
      : origin === `${scheme}://${text(request.headers["host"])}` &&
        (site ?? "same-origin") === "same-origin";
    return fromHere ? undefined : "Changes are accepted only from this server's own page.";
  }

  /**
   * Starts a session if the token is right.
   *
   * @returns The Set-Cookie header for the browser, or the verdict on the token.
   */
  async login(
    token: string,
    request: HttpRequest,
  ): Promise<{ cookie: string } | Exclude<Verdict, "right">> {
    const guard = this.#options.guard();
    if (guard === undefined) return "wrong";
    const verdict = await this.#judge(guard, token, request);
    return verdict === "right" ? { cookie: this.#sessions.start(guard) } : verdict;
  }

  /** Ends the session of a request; returns the Set-Cookie header that clears the cookie. */
  logout(request: HttpRequest): string {
    return this.#sessions.end(request);
  }

  async #judge(guard: Guard, token: string, { remote }: HttpRequest): Promise<Verdict> {
    const verdict = await guard.checkInTurn(token, remote);
    if (verdict === "wrong") {
      this.#options.log.warn("Client presented a wrong token", { address: remote });
    }
    return verdict;
  }
}

/** Whether an address is reachable only from this machine. */
function isLocal(address: Address): boolean {
  return address.transport === "unix" || LOOPBACK.test(address.hostname);
}

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}
