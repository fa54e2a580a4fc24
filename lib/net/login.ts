import type { Log } from "../log.ts";
import type { Connection } from "./connection.ts";

/** The outcome of a login attempt. */
export type Verdict = "right" | "wrong" | "blocked";

/** Checks the tokens of clients. */
export interface LoginGuard {
  /** How long a client may take to present a token. */
  readonly loginTimeoutMs: number;
  /** Checks a token presented by a client at this address, when it is the turn of that address. */
  checkInTurn(token: Uint8Array | string, host: string): Promise<Verdict>;
  /** Checks proofs of a token; see {@linkcode prove}. */
  checkProof(proofs: readonly string[], message: string, host: string): Promise<Verdict>;
  /** Makes a proof for each token: it shows knowledge of the token, for this message alone. */
  prove(message: string): string[];
  /**
   * Whether it accepts a token. This counts no failures, so ask only about a token that some guard
   * has accepted, or clients could guess without limit.
   */
  knows(token: Uint8Array | string): boolean;
}

/** The part of a connection that a login needs. */
export type LoginPeer = Pick<Connection, "id" | "remote" | "host" | "close">;

/**
 * The login of one connection: the client presents a token in time, or the connection is closed.
 * Failures are logged, tokens never.
 */
export class Login implements Disposable {
  readonly #peer: LoginPeer;
  readonly #guard: LoginGuard;
  readonly #log: Log;
  #pending = true;
  /** The token that completed the login. */
  #token: Uint8Array | string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param peer The connection.
   * @param guard Checks its tokens, for the whole life of the connection.
   * @param log Where failures are logged.
   */
  constructor(peer: LoginPeer, guard: LoginGuard, log: Log) {
    this.#peer = peer;
    this.#guard = guard;
    this.#log = log;
    this.begin();
  }

  /** Whether the client has not logged in yet. */
  get pending(): boolean {
    return this.#pending;
  }

  /** Requires a login from now on, and restarts its time limit. */
  begin(): void {
    this.#stop();
    this.#pending = true;
    this.#token = undefined;
    this.#timer = setTimeout(() => {
      this.#log.debug("Client presented no token in time", { address: this.#peer.remote });
      this.#peer.close();
    }, this.#guard.loginTimeoutMs);
  }

  /** Checks a token; the right one completes the login. After too many failures it waits. */
  async showInTurn(token: Uint8Array | string): Promise<Verdict> {
    return this.#take(await this.#guard.checkInTurn(token, this.#peer.host), token);
  }

  /** Checks proofs of a token; see {@linkcode LoginGuard.prove}. */
  async showProof(proofs: readonly string[], message: string): Promise<Verdict> {
    return this.#take(await this.#guard.checkProof(proofs, message, this.#peer.host));
  }

  /** Whether the token that completed this login would also complete one at another guard. */
  opens(guard: LoginGuard): boolean {
    return this.#token !== undefined && guard.knows(this.#token);
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
      this.#stop();
    } else if (verdict === "wrong") this.#log.warn("Client presented a wrong token", about);
    // Debug, as their number is unlimited; that of wrong tokens is not.
    else this.#log.debug("Client blocked after too many failures", about);
    return verdict;
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#timer);
  }
}

/**
 * Begins the login of a connection.
 *
 * @param peer The connection.
 * @param context The present guard of the service, and its log.
 * @returns `undefined` if the service needs no token.
 */
export function beginLogin(
  peer: LoginPeer,
  { guard, log }: { guard: () => LoginGuard | undefined; log: Log },
): Login | undefined {
  const current = guard();
  return current === undefined ? undefined : new Login(peer, current, log);
}
