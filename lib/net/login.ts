import type { Log } from "../log.ts";
import { Refusals } from "../refusals.ts";
import type { Rights } from "../rights.ts";
import type { Connection } from "./connection.ts";
import type { Logins } from "./logins.ts";

/** The outcome of a login attempt. */
export type Verdict = "right" | "wrong" | "blocked";

/** A token that a guard accepts. */
export interface KnownToken {
  /** Its name in the configuration. */
  readonly name: string;
  /** Its SHA-256. */
  readonly digest: Uint8Array;
  /** What it allows at the service; `null` for everything. */
  readonly rights: Rights | null;
}

/** Checks the tokens of clients. */
export interface LoginGuard {
  /** How long a client may take to present a token. */
  readonly loginTimeoutMs: number;
  /** The logins that this guard has begun or taken over, of connections that are open. */
  readonly logins: Logins<LoginGuard>;
  /** Checks a token presented by a client at this address, when it is the turn of that address. */
  checkInTurn(token: Uint8Array | string, host: string): Promise<Verdict>;
  /** Checks proofs of a token; see {@linkcode prove}. */
  checkProof(proofs: readonly string[], message: string, host: string): Promise<Verdict>;
  /** Whether one of the proofs shows knowledge of a token. This counts no failures either. */
  isProof(proofs: readonly string[], message: string): boolean;
  /** Makes a proof for each token: it shows knowledge of the token, for this message alone. */
  prove(message: string): string[];
  /**
   * The token that was presented, if it is one of the service. This counts no failures, so ask only
   * about a token that some guard has accepted, or clients could guess without limit.
   */
  find(token: Uint8Array | string): KnownToken | undefined;
}

/** The part of a connection that a login needs. */
export type LoginPeer = Pick<Connection, "id" | "remote" | "host" | "close"> & {
  /** Set to the name of the token that completes the login. */
  tokenName?: string | undefined;
};

/**
 * The login of one connection: the client presents a token in time, or the connection is closed.
 * Failures are logged, tokens never.
 */
export class Login implements Disposable {
  #peer: LoginPeer;
  #guard: LoginGuard;
  readonly #log: Log;
  readonly #refusals: Refusals;
  #pending = true;
  /** The token that completed the login. */
  #token: Uint8Array | string | undefined;
  /** Whether what was proved, if a proof completed the login, holds at a guard. */
  #isProvedTo: ((guard: LoginGuard) => boolean) | undefined;
  /** The name of that token. */
  #name = "";
  #rights: Rights | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param peer The connection.
   * @param guard Checks its tokens, until a reload replaces it.
   * @param log Where failures are logged.
   * @param refusals Where it is noted what the client is refused after the login.
   */
  constructor(peer: LoginPeer, guard: LoginGuard, log: Log, refusals = new Refusals(log)) {
    this.#peer = peer;
    this.#guard = guard;
    this.#log = log;
    this.#refusals = refusals;
    this.begin();
    guard.logins.add(this);
  }

  /**
   * Hands the login of a request over to the connection that goes on after it.
   *
   * @param guard The guard in force, which a reload may have replaced since the request.
   */
  moveTo(peer: LoginPeer, guard: LoginGuard | undefined): void {
    this.#peer = peer;
    if (!this.#pending) peer.tokenName = this.#name;
    this.revise(guard);
  }

  /**
   * Follows a new guard, after a reload. The connection is closed if the token that completed the
   * login is gone or has other rights now.
   *
   * @param guard The new guard; `undefined` if the service needs no token any more.
   * @param keep Whether to keep such a connection as it is, for the time being.
   * @returns Whether the connection was closed.
   */
  revise(guard: LoginGuard | undefined, keep = false): boolean {
    if (keep || !this.isRevokedBy(guard)) {
      this.#guard.logins.delete(this);
      this.#guard = guard ?? this.#guard;
      this.#guard.logins.add(this);
      return false;
    }
    const { id: client, remote: address } = this.#peer;
    const about = { client, address, token: this.#name };
    this.#log.info("Client disconnected, as its token was revoked or changed", about);
    this.#peer.close();
    return true;
  }

  isRevokedBy(guard: LoginGuard | undefined): boolean {
    return !this.#pending && !this.#isValidAt(guard);
  }

  #isValidAt(guard: LoginGuard | undefined): boolean {
    if (guard === undefined) return false;
    if (this.#token === undefined) return this.#isProvedTo?.(guard) ?? false;
    const known = guard.find(this.#token);
    return known !== undefined && known.rights?.source === this.#rights?.source;
  }

  /** Whether the client has not logged in yet. */
  get pending(): boolean {
    return this.#pending;
  }

  /**
   * What the client may do after its login; `null` for everything. It has no meaning while the login
   * is {@linkcode pending}: then the client may do nothing.
   */
  get rights(): Rights | null {
    return this.#rights;
  }

  /**
   * Notes that the client was refused something for lack of the right.
   *
   * @param action What it wanted to do, in the words of the configuration.
   * @param name The key, tube or subject, if there is one.
   */
  refuse(action: string, name = ""): void {
    const { id: client, remote: address } = this.#peer;
    this.#refusals.add({ token: this.#name, action, name, client, address });
  }

  /** Requires a login from now on, and restarts its time limit. */
  begin(): void {
    this.#stop();
    this.#pending = true;
    this.#token = undefined;
    this.#isProvedTo = undefined;
    this.#name = "";
    this.#peer.tokenName = undefined;
    this.#rights = null;
    this.#timer = setTimeout(() => {
      this.#log.debug("Client presented no token in time", { address: this.#peer.remote });
      this.#peer.close();
    }, this.#guard.loginTimeoutMs);
  }

  /** Checks a token; the right one completes the login. After too many failures it waits. */
  async showInTurn(token: Uint8Array | string): Promise<Verdict> {
    const checked = await this.#guard.checkInTurn(token, this.#peer.host);
    // A reload may have replaced the guard while this token waited for its turn.
    const known = this.#guard.find(token);
    return this.#take(checked === "right" && known === undefined ? "wrong" : checked, token);
  }

  /** Checks proofs of a token; see {@linkcode LoginGuard.prove}. */
  async showProof(proofs: readonly string[], message: string): Promise<Verdict> {
    const checked = await this.#guard.checkProof(proofs, message, this.#peer.host);
    const holds = (guard: LoginGuard) => guard.isProof(proofs, message);
    const verdict = this.#take(checked === "right" && !holds(this.#guard) ? "wrong" : checked);
    if (verdict === "right") this.#isProvedTo = holds;
    return verdict;
  }

  /**
   * What the token that completed this login allows at another guard; `undefined` if that guard does
   * not accept it.
   */
  rightsAt(guard: LoginGuard): Rights | null | undefined {
    return this.#token === undefined ? undefined : guard.find(this.#token)?.rights;
  }

  /** Proves to the other side that this side knows the tokens. */
  prove(message: string): string[] {
    return this.#guard.prove(message);
  }

  #take(verdict: Verdict, token?: Uint8Array | string): Verdict {
    const about = { client: this.#peer.id, address: this.#peer.remote };
    if (verdict === "right") {
      this.#pending = false;
      // A copy: the bytes may belong to a read buffer.
      this.#token = token?.slice();
      const known = token === undefined ? undefined : this.#guard.find(token);
      this.#name = known?.name ?? "";
      this.#rights = known?.rights ?? null;
      this.#peer.tokenName = this.#name;
      this.#stop();
    } else if (verdict === "wrong") this.#log.warn("Client presented a wrong token", about);
    // Debug, as their number is unlimited; that of wrong tokens is not.
    else this.#log.debug("Client blocked after too many failures", about);
    return verdict;
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#guard.logins.delete(this);
  }

  #stop(): void {
    clearTimeout(this.#timer);
  }
}

/** What a login needs of its service. */
export interface LoginContext {
  /** The guard in force, which checks clients' tokens; `undefined` if none is required. */
  guard: () => LoginGuard | undefined;
  log: Log;
  /** Counts and logs refusals. @default {a new one} */
  refusals?: Refusals | undefined;
}

/**
 * Begins the login of a connection.
 *
 * @param peer The connection.
 * @param context The present guard of the service, its log, and where it notes refusals.
 * @returns `undefined` if the service needs no token.
 */
export function beginLogin(
  peer: LoginPeer,
  { guard, log, refusals }: LoginContext,
): Login | undefined {
  const current = guard();
  return current === undefined ? undefined : new Login(peer, current, log, refusals);
}
