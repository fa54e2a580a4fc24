/**
 * Who may use a service: whoever knows one of its tokens, and has not tried too many others.
 *
 * @module
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { LoginGuard, Verdict } from "./net/login.ts";

/** How many addresses with failures are remembered; the oldest is forgotten for a new one. */
const REMEMBERED_ADDRESSES_MAX = 10_000;

/** Of so many tokens proofs are made and looked at. */
const PROOFS_MAX = 16;

const encoder = new TextEncoder();

/** How long a client may take to show a token, where nothing else is said. */
const LOGIN_TIMEOUT_MS = 10_000;

/** Asks the clients of one service for a token. */
export class Guard implements LoginGuard {
  readonly loginTimeoutMs: number;
  readonly #digests: Uint8Array[];
  readonly #failures: FailureCounter;

  /**
   * @param tokens The tokens that open the service.
   * @param failures Shared by all guards, so that one cannot guess at several services.
   * @param loginTimeoutMs How long a client may take to show a token.
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
   * Judges a token in a time that does not depend on it.
   *
   * @param token What the client has shown.
   * @param host The address of the client, without its port. After too many failures from it, even
   * the right token is not looked at for a while.
   */
  check(token: Uint8Array | string, host: string): Verdict {
    if (this.#failures.isBlocked(host)) return "blocked";
    const shown = digest(typeof token === "string" ? encoder.encode(token) : token);
    // All are compared, whichever is right, and as digests, so that their length does not show.
    let right = false;
    for (const known of this.#digests) right = timingSafeEqual(known, shown) || right;
    return this.#counted(right, host);
  }

  /**
   * Proves that the tokens are known here, without showing them.
   *
   * @param message What the proof is good for, and for nothing else.
   * @returns An HMAC-SHA256 a token, in hexadecimal; its key is the SHA-256 of the token.
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

  /** Judges proofs as {@linkcode check} does a token. */
  checkProof(proofs: readonly string[], message: string, host: string): Verdict {
    if (this.#failures.isBlocked(host)) return "blocked";
    return this.#counted(this.isProof(proofs, message), host);
  }

  #counted(right: boolean, host: string): Verdict {
    if (!right) this.#failures.add(host);
    return right ? "right" : "wrong";
  }
}

/** Counts failures by address, over a window of time. */
export class FailureCounter {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #byHost = new Map<string, { count: number; sinceMs: number }>();

  /**
   * @param max How many failures an address may have in the window.
   * @param windowMs How long the window is; it starts with the first failure.
   */
  constructor(max: number, windowMs: number) {
    this.#max = max;
    this.#windowMs = windowMs;
  }

  isBlocked(host: string, nowMs: number = Date.now()): boolean {
    const failures = this.#byHost.get(host);
    return failures !== undefined && nowMs - failures.sinceMs < this.#windowMs &&
      failures.count >= this.#max;
  }

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

/** What a token has to look like, for people. */
export const TOKEN_FORM = "8 to 1024 printable characters without blanks";

/** Whether a text can be a token. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{8,1024}$/.test(text);
}

function digest(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
