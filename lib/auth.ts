/**
 * Access to a service: a client must present one of its tokens, and may fail only so many times.
 *
 * @module
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { delay } from "@std/async/delay";
import { clientNetwork } from "./net/address.ts";
import { Logins } from "./net/logins.ts";
import type { KnownToken, LoginGuard, Verdict } from "./net/login.ts";

/** How many addresses with failures are remembered; a new one displaces the oldest. */
const REMEMBERED_ADDRESSES_MAX = 10_000;

/** At most this many tokens take part in proofs. */
const PROOFS_MAX = 16;

const encoder = new TextEncoder();

/** After too many failures, one token is checked per address and this interval. */
const CHECK_INTERVAL_MS = 1000;

/** The default time limit for presenting a token. */
const LOGIN_TIMEOUT_MS = 10_000;

/** Checks the tokens of the clients of one service. */
export class Guard implements LoginGuard {
  readonly loginTimeoutMs: number;
  readonly logins = new Logins<LoginGuard>();
  readonly #tokens: readonly KnownToken[];
  /** The keys of proofs. A token with limited rights makes no node of a mesh, so it proves nothing. */
  readonly #proofKeys: Uint8Array[];
  readonly #failures: FailureCounter;

  /**
   * @param tokens The tokens of the service. A token given as text may do everything.
   * @param failures The failures at this service.
   * @param loginTimeoutMs How long a client may take to present a token.
   */
  constructor(
    tokens: readonly (string | KnownToken)[],
    failures: FailureCounter,
    loginTimeoutMs: number = LOGIN_TIMEOUT_MS,
  ) {
    this.loginTimeoutMs = loginTimeoutMs;
    this.#tokens = tokens.map((token) =>
      typeof token === "string" ? { name: "", digest: tokenDigest(token), rights: null } : token
    );
    this.#proofKeys = this.#tokens.filter(({ rights }) => rights === null)
      .map(({ digest }) => digest).slice(0, PROOFS_MAX);
    this.#failures = failures;
  }

  /**
   * Checks a token, in a time that does not depend on its contents. After too many failures from an
   * address, one of its tokens is checked per second, right or wrong. The others wait for their turn,
   * up to the time limit of a login, and are "blocked" if it comes later. So the right token gets in
   * late, and guessing stays slow.
   *
   * @param token The token presented by the client.
   * @param host The address of the client, without its port.
   */
  async checkInTurn(token: Uint8Array | string, host: string): Promise<Verdict> {
    if (!await this.#turn(host)) return "blocked";
    return this.#counted(this.find(token) !== undefined, host);
  }

  /**
   * Proves knowledge of the tokens without revealing them.
   *
   * @param message The message to prove it for. A proof is worth nothing for any other message.
   * @returns One HMAC-SHA256 of the message per token, in hexadecimal; the key is the SHA-256 of the
   * token.
   */
  prove(message: string): string[] {
    return this.#proofKeys.map((key) => createHmac("sha256", key).update(message).digest("hex"));
  }

  isProof(proofs: readonly string[], message: string): boolean {
    const known = this.prove(message).map((proof) => encoder.encode(proof));
    let right = false;
    for (const proof of proofs.slice(0, PROOFS_MAX)) {
      const shown = encoder.encode(proof);
      for (const own of known) {
        right = (own.length === shown.length && timingSafeEqual(own, shown)) || right;
      }
    }
    return right;
  }

  /** Checks proofs as {@linkcode checkInTurn} checks a token. */
  async checkProof(proofs: readonly string[], message: string, host: string): Promise<Verdict> {
    if (!await this.#turn(host)) return "blocked";
    return this.#counted(this.isProof(proofs, message), host);
  }

  find(token: Uint8Array | string): KnownToken | undefined {
    const shown = tokenDigest(token);
    // Compare all of them, as digests: the time must not tell which one matches, nor its length.
    let found: KnownToken | undefined;
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, shown)) found = known;
    return found;
  }

  /** The names of its tokens that another guard does not accept, or not with the same rights. */
  tokensLostAt(other: Guard | undefined): string[] {
    const others = other === undefined ? [] : other.#tokens;
    const isKept = ({ digest, rights }: KnownToken) =>
      others.some((known) =>
        timingSafeEqual(known.digest, digest) && known.rights?.source === rights?.source
      );
    return this.#tokens.filter((token) => !isKept(token)).map(({ name }) => name);
  }

  /** Waits until a token from this address may be checked; `false` if that takes too long. */
  async #turn(host: string): Promise<boolean> {
    const waitMs = this.#failures.take(host, this.loginTimeoutMs);
    if (waitMs === undefined) return false;
    if (waitMs > 0) await delay(waitMs);
    return true;
  }

  #counted(right: boolean, host: string): Verdict {
    if (!right) this.#failures.add(host);
    return right ? "right" : "wrong";
  }
}

/** The failures of one address. */
interface HostFailures {
  count: number;
  sinceMs: number;
  /** When the next token may be checked, once there were too many failures. */
  nextCheckMs: number;
}

/**
 * Counts the failed logins at one service by address, within a time window. All addresses of an IPv6
 * /64 are one, as a client can usually take any of them. Times are those of the monotonic clock.
 */
export class FailureCounter {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #checkIntervalMs: number;
  readonly #byNetwork = new Map<string, HostFailures>();

  /**
   * @param max How many failures an address may have in the window.
   * @param windowMs The length of the window. It starts with the first failure, and anew with each one
   * beyond the maximum.
   * @param checkIntervalMs After that many failures, one token is checked per interval.
   */
  constructor(max: number, windowMs: number, checkIntervalMs: number = CHECK_INTERVAL_MS) {
    this.#max = max;
    this.#windowMs = windowMs;
    this.#checkIntervalMs = checkIntervalMs;
  }

  /**
   * Takes the turn of an address for a check. The wait is bounded by `maxWaitMs`: there is
   * one turn per interval.
   *
   * @param maxWaitMs The longest acceptable wait.
   * @returns How long to wait before the check; `undefined` if longer, in which case no turn is taken.
   */
  take(host: string, maxWaitMs: number, nowMs: number = performance.now()): number | undefined {
    const failures = this.#recent(clientNetwork(host), nowMs);
    if (failures === undefined || failures.count < this.#max) return 0;
    const turnMs = Math.max(nowMs, failures.nextCheckMs);
    if (turnMs - nowMs > maxWaitMs) return undefined;
    failures.nextCheckMs = turnMs + this.#checkIntervalMs;
    return turnMs - nowMs;
  }

  /** Counts a failure of an address. */
  add(host: string, nowMs: number = performance.now()): void {
    const network = clientNetwork(host);
    const failures = this.#recent(network, nowMs);
    if (failures !== undefined) {
      failures.count++;
      if (failures.count > this.#max) failures.sinceMs = nowMs;
      const nextCheckMs = nowMs + this.#checkIntervalMs;
      failures.nextCheckMs = Math.max(failures.nextCheckMs, nextCheckMs);
      return;
    }
    this.#byNetwork.delete(network);
    if (this.#byNetwork.size >= REMEMBERED_ADDRESSES_MAX) {
      this.#byNetwork.delete(this.#byNetwork.keys().next().value!);
    }
    const nextCheckMs = nowMs + this.#checkIntervalMs;
    this.#byNetwork.set(network, { count: 1, sinceMs: nowMs, nextCheckMs });
  }

  #recent(network: string, nowMs: number): HostFailures | undefined {
    const failures = this.#byNetwork.get(network);
    return failures !== undefined && nowMs - failures.sinceMs < this.#windowMs
      ? failures
      : undefined;
  }
}

/** The form of a token, for messages. */
export const TOKEN_FORM = "8 to 1024 printable characters without blanks";

/** Whether a text has the form of a token. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{8,1024}$/.test(text);
}

/** The SHA-256 of a token. */
export function tokenDigest(token: Uint8Array | string): Uint8Array {
  const bytes = typeof token === "string" ? encoder.encode(token) : token;
  return createHash("sha256").update(bytes).digest();
}
