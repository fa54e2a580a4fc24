import type { Guard } from "../auth.ts";
import type { Address } from "../net/address.ts";
import type { HttpRequest } from "./http_server.ts";

/** How long a session lasts. */
const SESSION_S = 12 * 3600;

/** How many there can be; a new one ends the oldest. */
const MAX_SESSIONS = 1000;

const ID_BYTES = 32;

/** Browsers that have shown a token once, and are known by a cookie since. */
export class Sessions {
  readonly #byId = new Map<string, { guard: Guard; endMs: number }>();
  readonly #cookie: string;
  readonly #attributes: string;

  /** @param options Cookies know no ports, so the port of the address is in the name of ours. */
  constructor({ address, secure }: { address: Address; secure: boolean }) {
    this.#cookie = address.transport === "tcp" ? `quartet_${address.port}` : "quartet";
    this.#attributes = `; Path=/; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
  }

  /**
   * Begins a session.
   *
   * @param guard Who has judged the token. With a new configuration there is another one, and
   * the session is over: the token may open nothing any more.
   * @returns The value of the header `Set-Cookie`.
   */
  begin(guard: Guard): string {
    const id = crypto.getRandomValues(new Uint8Array(ID_BYTES)).toHex();
    if (this.#byId.size >= MAX_SESSIONS) this.#byId.delete(this.#byId.keys().next().value!);
    this.#byId.set(id, { guard, endMs: Date.now() + SESSION_S * 1000 });
    return `${this.#cookie}=${id}; Max-Age=${SESSION_S}${this.#attributes}`;
  }

  /** Whether a request belongs to a session. */
  has(request: HttpRequest, guard: Guard): boolean {
    const session = this.#byId.get(this.#idOf(request));
    return session !== undefined && session.guard === guard && session.endMs > Date.now();
  }

  /** Ends the session of a request; returns the value of the header `Set-Cookie`. */
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
