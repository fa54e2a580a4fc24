import type { Log } from "../log.ts";
import type { Connection } from "./connection.ts";

/** What comes of a token that a client has shown. */
export type Verdict = "right" | "wrong" | "blocked";

/** Who judges the tokens of clients. */
export interface LoginGuard {
  /** How long a client may take to show a token. */
  readonly loginTimeoutMs: number;
  /** Judges a token that a client at this address has shown. */
  check(token: Uint8Array | string, host: string): Verdict;
  /** Judges proofs of a token. */
  checkProof(proofs: readonly string[], message: string, host: string): Verdict;
  /** Proves that the tokens are known here; what is proved is good for this message alone. */
  prove(message: string): string[];
}

/** What a login has to know of a connection, and do to it. */
export type LoginPeer = Pick<Connection, "id" | "remote" | "host" | "close">;

/**
 * A connection on its way past a guard: it shows a token in time or is closed. What was wrong is
 * logged, but for the tokens themselves.
 */
export class Login implements Disposable {
  readonly #peer: LoginPeer;
  readonly #guard: LoginGuard;
  readonly #log: Log;
  #pending = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param peer The connection.
   * @param guard Who judges its tokens, for as long as it is there.
   * @param log Where failures go.
   */
  constructor(peer: LoginPeer, guard: LoginGuard, log: Log) {
    this.#peer = peer;
    this.#guard = guard;
    this.#log = log;
    this.begin();
  }

  /** Whether the right token has yet to be shown. */
  get pending(): boolean {
    return this.#pending;
  }

  /** Gives the connection the time there is to show a token, from now on. */
  begin(): void {
    this.#stop();
    this.#pending = true;
    this.#timer = setTimeout(() => {
      this.#log.debug("Client showed no token in time", { address: this.#peer.remote });
      this.#peer.close();
    }, this.#guard.loginTimeoutMs);
  }

  /** Judges a token; if it is right, the connection has time for ever. */
  show(token: Uint8Array | string): Verdict {
    return this.#take(this.#guard.check(token, this.#peer.host));
  }

  /** Judges proofs of a token, see {@linkcode LoginGuard.prove}. */
  showProof(proofs: readonly string[], message: string): Verdict {
    return this.#take(this.#guard.checkProof(proofs, message, this.#peer.host));
  }

  /** Proves to the other side that the tokens are known here. */
  prove(message: string): string[] {
    return this.#guard.prove(message);
  }

  #take(verdict: Verdict): Verdict {
    const about = { client: this.#peer.id, address: this.#peer.remote };
    if (verdict === "right") {
      this.#pending = false;
      this.#stop();
    } else if (verdict === "wrong") this.#log.warn("Client showed a wrong token", about);
    // There can be any number of these, while wrong tokens are limited.
    else this.#log.debug("Client has had too many failures", about);
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
 * @param context The guard of the service at this moment, and its log.
 * @returns `undefined` if nobody asks for a token.
 */
export function beginLogin(
  peer: LoginPeer,
  { guard, log }: { guard: () => LoginGuard | undefined; log: Log },
): Login | undefined {
  const current = guard();
  return current === undefined ? undefined : new Login(peer, current, log);
}
