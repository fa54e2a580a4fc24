/**
 * Access control of the admin service. If the service has no token, everyone who can reach its
 * address may read, and clients on this machine may also make changes. Behind a proxy that sends PROXY
 * headers, clients are where it says they are. If it has one, clients need
 * the token for both.
 *
 * @module
 */

import type { Guard } from "../auth.ts";
import type { Log } from "../log.ts";
import { type Address, isLoopback, isThisMachine } from "../net/address.ts";
import type { KnownToken, LoginGuard, Verdict } from "../net/login.ts";
import type { RevisableLogin } from "../net/logins.ts";
import type { HttpRequest } from "../net/http/messages.ts";
import { refuseForeignHost } from "../net/http/own_host.ts";
import type { Refusals } from "../refusals.ts";
import type { AdminRight } from "./rights.ts";
import { Sessions } from "./sessions.ts";

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
  /** Whether proxies connect for clients that may be on other machines. */
  proxied: () => boolean;
  /** The current guard; `undefined` while the service has no token. */
  guard: () => Guard | undefined;
  log: Log;
  /** Where it is noted what is refused for lack of rights. */
  refusals: Refusals;
}

/** Decides which requests may read and which may make changes. */
export class Access {
  readonly #options: AccessOptions;
  readonly #sessions: Sessions;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#sessions = new Sessions(options);
  }

  /** Why a client can change nothing; `undefined` if it can. */
  readOnly({ remote }: HttpRequest): string | undefined {
    const { address, guard, proxied } = this.#options;
    if (guard() !== undefined) return undefined;
    if (isLoopback(address) && (!proxied() || isThisMachine(remote))) return undefined;
    return "Nothing can be changed here: other machines can reach this address without a token.";
  }

  /** The sender of a request; "blocked" after too many wrong tokens from its address. */
  async visitor(request: HttpRequest): Promise<Visitor | "blocked"> {
    const visitor = await this.#visitor(request);
    if (request.connection !== undefined) {
      const known = visitor === "token" || visitor === "session"
        ? this.#tokenOf(request)
        : undefined;
      request.connection.tokenName = known?.name;
    }
    return visitor;
  }

  async #visitor(request: HttpRequest): Promise<Visitor | "blocked"> {
    const guard = this.#options.guard();
    if (guard === undefined) return "anyone";
    if (this.#sessions.token(request, guard) !== undefined) return "session";
    const bearer = bearerOf(request);
    if (bearer === undefined) return "stranger";
    const verdict = await this.#judge(guard, bearer, request);
    if (verdict === "blocked") return "blocked";
    return verdict === "right" ? "token" : "stranger";
  }

  /**
   * Why a request must not be answered at all; `undefined` if it may be. See
   * {@linkcode refuseForeignHost}. With tokens that attack gains nothing: the browser holds no session
   * for the foreign name.
   */
  refuseHost(request: HttpRequest): string | undefined {
    const { address, guard } = this.#options;
    if (guard() !== undefined) return undefined;
    return refuseForeignHost(address, request);
  }

  /**
   * Why a request must not change anything; `undefined` if it may. This stops a foreign web page from
   * sending requests in its visitor's name (CSRF): browsers state the origin of a request, and they
   * never add an `Authorization` header by themselves.
   */
  refuseChange(request: HttpRequest, visitor: Visitor): string | undefined {
    const readOnly = this.readOnly(request);
    if (readOnly !== undefined) return readOnly;
    if (visitor === "token") return undefined;
    const host = text(request.headers["host"]);
    // Without TLS here, a proxy in front may speak it, and then the page comes by https.
    const ownPages = this.#options.secure
      ? [`https://${host}`]
      : [`http://${host}`, `https://${host}`];
    const site = text(request.headers["sec-fetch-site"]);
    const origin = text(request.headers["origin"]);
    const fromHere = origin === undefined
      ? site === "same-origin"
      : ownPages.includes(origin) && (site ?? "same-origin") === "same-origin";
    return fromHere
      ? undefined
      : "Changes are accepted only from this server's own page. A proxy in front must pass on Host.";
  }

  /**
   * Why the token of a request does not suffice for an action; `undefined` if it does, or if none is
   * required.
   *
   * @param visitor What {@linkcode visitor} has returned for this request.
   */
  lacksRight(request: HttpRequest, visitor: Visitor, action: AdminRight): string | undefined {
    if (visitor === "anyone" || visitor === "stranger") return undefined;
    const token = this.#tokenOf(request);
    // A reload has just withdrawn it.
    if (token === undefined) return "This token is not valid any more.";
    if (token.rights === null || token.rights.allows(action)) return undefined;
    return "This token may look, but not change anything.";
  }

  /** Notes that a request was refused because its token lacks the right to an action. */
  noteRefusal(request: HttpRequest, action: AdminRight): void {
    const { remote: address, path } = request;
    const token = this.#tokenOf(request)?.name ?? "";
    this.#options.refusals.add({ token, action, name: path, address });
  }

  /**
   * Watches whether a request that has been let in would still be: after a reload, its token may be
   * gone or have other rights, and its session has ended.
   *
   * @param end Ends what the request has begun. It is called once.
   * @returns Ends the watch.
   */
  watch(request: HttpRequest, end: () => void): Disposable {
    const first = this.#options.guard();
    if (first === undefined) return { [Symbol.dispose]: () => {} };
    const bearer = this.#sessions.token(request, first) === undefined
      ? bearerOf(request)
      : undefined;
    const rights = this.#tokenOf(request)?.rights?.source;
    let guard: LoginGuard = first;
    const login: RevisableLogin<LoginGuard> = {
      isRevokedBy: (next) => {
        const known = bearer === undefined ? undefined : next?.find(bearer);
        return known === undefined || known.rights?.source !== rights;
      },
      revise: (next, keep) => {
        guard.logins.delete(login);
        if (keep || !login.isRevokedBy(next)) {
          guard = next ?? guard;
          guard.logins.add(login);
          return false;
        }
        end();
        return true;
      },
    };
    guard.logins.add(login);
    return { [Symbol.dispose]: () => guard.logins.delete(login) };
  }

  #tokenOf(request: HttpRequest): KnownToken | undefined {
    const guard = this.#options.guard();
    if (guard === undefined) return undefined;
    const bearer = bearerOf(request);
    return this.#sessions.token(request, guard) ??
      (bearer === undefined ? undefined : guard.find(bearer));
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
    return verdict === "right"
      ? { cookie: this.#sessions.start(guard, guard.find(token)!) }
      : verdict;
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

function bearerOf({ headers }: HttpRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(text(headers["authorization"]) ?? "")?.[1];
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}
