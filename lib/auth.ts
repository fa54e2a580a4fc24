/**
 * Access to a service: a client must present one of its tokens, and may fail only so many times.
 *
 * @module
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { LoginGuard, Verdict } from "./net/login.ts";

/** How many addresses with failures are remembered; a new one displaces the oldest. */
const REMEMBERED_ADDRESSES_MAX = 10_000;

/** At most this many tokens take part in proofs. */
const PROOFS_MAX = 16;

const encoder = new TextEncoder();

/** The default time limit for presenting a token. */
const LOGIN_TIMEOUT_MS = 10_000;

/** Checks the tokens of the clients of one service. */
export class Guard implements LoginGuard {
  readonly loginTimeoutMs: number;
  readonly #digests: Uint8Array[];
  readonly #failures: FailureCounter;

  /**
   * @param tokens The tokens of the service.
   * @param failures Shared by all guards, so that a client cannot spread guesses over services.
   * @param loginTimeoutMs How long a client may take to present a token.
   */
  constructor(
    tokens: readonly string[],
    failures: FailureCounter,
    loginTimeoutMs: number = LOGIN_TIMEOUT_MS,
  ) {
    this.loginTimeoutMs = loginTimeoutMs;
    this.#digests = tokens.map((token) => digest(encoder.encode(token)));
    this.#failures = failures;
  }

  /**
   * Checks a token, in a time that does not depend on its contents.
   *
   * @param token The token presented by the client.
   * @param host The address of the client, without its port. After too many failures, no token from
   * this address is checked for a while, not even the right one.
   */
  check(token: Uint8Array | string, host: string): Verdict {
    if (this.#failures.isBlocked(host)) return "blocked";
    const shown = digest(typeof token === "string" ? encoder.encode(token) : token);
    // Compare all of them, as digests: the time must not tell which one matches, nor its length.
    let right = false;
    for (const known of this.#digests) right = timingSafeEqual(known, shown) || right;
    return this.#counted(right, host);
  }

  /**
   * Proves knowledge of the tokens without revealing them.
   *
   * @param message The message to prove it for. A proof is worth nothing for any other message.
   * @returns One HMAC-SHA256 of the message per token, in hexadecimal; the key is the SHA-256 of the
   * token.
   */
  prove(message: string): string[] {
    return this.#digests.slice(0, PROOFS_MAX)
      .map((key) => createHmac("sha256", key).update(message).digest("hex"));
  }

  /** Whether one of the proofs was made with one of the tokens. */
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

  /** Checks proofs as {@linkcode check} checks a token. */
  checkProof(proofs: readonly string[], message: string, host: string): Verdict {
    if (this.#failures.isBlocked(host)) return "blocked";
    return this.#counted(this.isProof(proofs, message), host);
  }

  #counted(right: boolean, host: string): Verdict {
    if (!right) this.#failures.add(host);
    return right ? "right" : "wrong";
  }
}

/** Counts failed logins by address within a time window. */
export class FailureCounter {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #byHost = new Map<string, { count: number; sinceMs: number }>();

  /**
   * @param max How many failures an address may have in the window.
   * @param windowMs The length of the window, which starts with the first failure.
   */
  constructor(max: number, windowMs: number) {
    this.#max = max;
    this.#windowMs = windowMs;
  }

  /** Whether an address has reached the maximum. */
  isBlocked(host: string, nowMs: number = Date.now()): boolean {
    const failures = this.#byHost.get(host);
    return failures !== undefined && nowMs - failures.sinceMs < this.#windowMs &&
      failures.count >= this.#max;
  }

  /** Counts a failure of an address. */
  add(host: string, nowMs: number = Date.now()): void {
    const failures = this.#byHost.get(host);
    if (failures !== undefined && nowMs - failures.sinceMs < this.#windowMs) {
      failures.count++;
      return;
    }
    this.#byHost.delete(host);
    if (this.#byHost.size >= REMEMBERED_ADDRESSES_MAX) {
      this.#byHost.delete(this.#byHost.keys().next().value!);
    }
    this.#byHost.set(host, { count: 1, sinceMs: nowMs });
  }
}

/** The form of a token, for messages. */
export const TOKEN_FORM = "8 to 1024 printable characters without blanks";

/** Whether a text has the form of a token. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{8,1024}$/.test(text);
}

function digest(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
