/**
 * Who may see and who may change what. Without a token for the service, whoever reaches the address
 * may look, and people on this machine may change; with one, whoever shows it may do both.
 *
 * @module
 */

import type { Guard } from "../auth.ts";
import type { Log } from "../log.ts";
import type { Address } from "../net/address.ts";
import type { Verdict } from "../net/login.ts";
import type { HttpRequest } from "./http_server.ts";
import { Sessions } from "./sessions.ts";

/** Hosts that are this machine and no other. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

/** Who sends a request: anyone (there is no token), or one who has shown it, or one who has not. */
export type Visitor = "anyone" | "token" | "session" | "stranger";

/** Options for {@linkcode Access}. */
export interface AccessOptions {
  /** Where the server listens, which says who can reach it. */
  address: Address;
  /** Whether it speaks TLS. */
  secure: boolean;
  /** Who asks for a token at this moment. */
  guard: () => Guard | undefined;
  log: Log;
}

/** Decides who may see and change what. */
export class Access {
  readonly #options: AccessOptions;
  readonly #sessions: Sessions;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#sessions = new Sessions(options);
  }

  /** Why nothing can be changed through this server; `undefined` if it can. */
  get readOnly(): string | undefined {
    if (isLocal(this.#options.address) || this.#options.guard() !== undefined) return undefined;
    return "Nothing can be changed here: other machines reach this address without a token.";
  }

  /** Who sends a request; "blocked" if too many from there had a wrong token. */
  visitor(request: HttpRequest): Visitor | "blocked" {
    const guard = this.#options.guard();
    if (guard === undefined) return "anyone";
    if (this.#sessions.has(request, guard)) return "session";
    const bearer = /^Bearer +(\S+)$/i.exec(text(request.headers["authorization"]) ?? "")?.[1];
    if (bearer === undefined) return "stranger";
    const verdict = this.#judge(guard, bearer, request);
    if (verdict === "blocked") return "blocked";
    return verdict === "right" ? "token" : "stranger";
  }

  /**
   * Why a request may not be answered at all; `undefined` if it may. A page from elsewhere can have
   * a name of its own lead to 127.0.0.1 and then read from there as from its own server ("DNS
   * rebinding"); the name is in the header Host, so on loopback that has to be one of this machine.
   * Where there are tokens it gains nothing: a browser has none for that name.
   */
  refuseHost(request: HttpRequest): string | undefined {
    const { address, guard } = this.#options;
    if (address.transport === "unix" || !isLocal(address) || guard() !== undefined) {
      return undefined;
    }
    const host = text(request.headers["host"]);
    if (host === undefined || LOOPBACK.test(hostnameOf(host))) return undefined;
    return `This server does not know the host "${host}": use ${address.hostname} or localhost.`;
  }

  /**
   * Why a request may not change anything; `undefined` if it may. A page from elsewhere that a
   * browser shows cannot send one in the name of its user: a browser says where a request comes
   * from, and adds no `Authorization` of its own.
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
    return fromHere ? undefined : "Changes are taken from the page of this server only.";
  }

  /**
   * Begins a session for one who shows a token.
   *
   * @returns The header that gives the browser its cookie, or what is wrong with the token.
   */
  login(token: string, request: HttpRequest): { cookie: string } | Exclude<Verdict, "right"> {
    const guard = this.#options.guard();
    if (guard === undefined) return "wrong";
    const verdict = this.#judge(guard, token, request);
    return verdict === "right" ? { cookie: this.#sessions.begin(guard) } : verdict;
  }

  /** Ends the session of a request; returns the header that takes the cookie back. */
  logout(request: HttpRequest): string {
    return this.#sessions.end(request);
  }

  #judge(guard: Guard, token: string, { remote }: HttpRequest): Verdict {
    const verdict = guard.check(token, remote);
    if (verdict === "wrong") {
      this.#options.log.warn("Client showed a wrong token", { address: remote });
    }
    return verdict;
  }
}

/** Whether only programs on this machine can reach an address. */
function isLocal(address: Address): boolean {
  return address.transport === "unix" || LOOPBACK.test(address.hostname);
}

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}
