import type { Guard } from "../auth.ts";
import type { Address } from "../net/address.ts";
import type { KnownToken } from "../net/login.ts";
import type { HttpRequest } from "../net/http/messages.ts";

/** Lifetime of a session. */
const SESSION_S = 12 * 3600;

/** Sessions kept; a new one beyond this ends the oldest. */
const MAX_SESSIONS = 1000;

const ID_BYTES = 32;

/** Sessions of browsers that logged in with a token, identified by a cookie. */
export class Sessions {
  readonly #byId = new Map<string, { guard: Guard; token: KnownToken; endMs: number }>();
  readonly #cookie: string;
  readonly #attributes: string;

  /** @param options The port becomes part of the cookie's name, as browsers ignore ports. */
  constructor({ address, secure }: { address: Address; secure: boolean }) {
    this.#cookie = address.transport === "tcp" ? `quartet_${address.port}` : "quartet";
    this.#attributes = `; Path=/; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
  }

  /**
   * Starts a session.
   *
   * @param guard The guard that accepted the token. A reload replaces it and so ends the session, as
   * the token may no longer be valid.
   * @param token The token.
   * @returns The value of the `Set-Cookie` header.
   */
  start(guard: Guard, token: KnownToken): string {
    const id = crypto.getRandomValues(new Uint8Array(ID_BYTES)).toHex();
    if (this.#byId.size >= MAX_SESSIONS) this.#byId.delete(this.#byId.keys().next().value!);
    this.#byId.set(id, { guard, token, endMs: Date.now() + SESSION_S * 1000 });
    return `${this.#cookie}=${id}; Max-Age=${SESSION_S}${this.#attributes}`;
  }

  /** The token of the live session that a request belongs to, if any. */
  token(request: HttpRequest, guard: Guard): KnownToken | undefined {
    const session = this.#byId.get(this.#idOf(request));
    if (session === undefined || session.guard !== guard) return undefined;
    return session.endMs > Date.now() ? session.token : undefined;
  }

  /** Ends the session of a request; returns the value of the `Set-Cookie` header. */
  end(request: HttpRequest): string {
    this.#byId.delete(this.#idOf(request));
    return `${this.#cookie}=; Max-Age=0${this.#attributes}`;
  }

  #idOf(request: HttpRequest): string {
    const header = request.headers["cookie"];
    const cookies = (Array.isArray(header) ? header.join(";") : header ?? "").split(";");
    const prefix = `${this.#cookie}=`;
    const own = cookies.map((cookie) => cookie.trim()).find((cookie) => cookie.startsWith(prefix));
    return own?.slice(prefix.length) ?? "";
  }
}
