import type { Log } from "../log.ts";

/** How long before a certificate expires the warnings begin. */
const WARN_MS = 30 * 86_400_000;

/** The interval of the warnings. */
const CHECK_MS = 86_400_000;

/** Options for {@linkcode ExpiryWatch}. */
export interface ExpiryWatchOptions {
  /** The address that the certificate is for, for the log. */
  address: string;
  /** When the certificate in use expires, in Unix milliseconds; `Infinity` if there is none. */
  expiryMs: () => number;
  log: Log;
  /** The current time, in Unix milliseconds. @default {Date.now} */
  now?: () => number;
}

/** Warns, once a day, of a certificate that expires within 30 days. */
export class ExpiryWatch implements Disposable {
  readonly #options: ExpiryWatchOptions;
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  /** @param options See {@linkcode ExpiryWatchOptions}. */
  constructor(options: ExpiryWatchOptions) {
    this.#options = options;
    if (options.expiryMs() === Infinity) return;
    this.check();
    this.#timer = setInterval(() => this.check(), CHECK_MS);
  }

  /** Checks now. Call it after a new certificate was read. */
  check(): void {
    const { address, expiryMs, log, now = Date.now } = this.#options;
    const endMs = expiryMs();
    const leftMs = endMs - now();
    if (leftMs > WARN_MS) return;
    const expires = new Date(endMs).toISOString();
    if (leftMs <= 0) log.warn("Certificate has expired", { address, expires });
    else log.warn("Certificate expires soon", { address, expires });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
