/**
 * CLIENT PAUSE: delays the commands of all Redis clients for a limited time.
 *
 * @module
 */

/** Which commands are delayed. */
export type PauseMode = "write" | "all";

/** The longest pause. */
export const MAX_PAUSE_MS = 3_600_000;

/** The pause of all clients. */
export class ClientPause {
  readonly #onChange: () => void;
  #mode: PauseMode | undefined;
  #untilMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = Promise.withResolvers<void>();

  /** @param onChange Called when a pause begins and when it ends. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Which commands are delayed at present; `undefined` if none. */
  get mode(): PauseMode | undefined {
    return this.#mode;
  }

  /**
   * Begins a pause, or extends the one in progress; neither its end nor its mode becomes weaker.
   *
   * @param durationMs At most {@linkcode MAX_PAUSE_MS}.
   */
  begin(mode: PauseMode, durationMs: number): void {
    const nowMs = performance.now();
    if (durationMs <= 0) return;
    this.#mode = this.#mode === "all" ? "all" : mode;
    this.#untilMs = Math.max(this.#untilMs, nowMs + Math.min(durationMs, MAX_PAUSE_MS));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(), this.#untilMs - nowMs);
    this.#onChange();
  }

  /** Ends the pause, if there is one. */
  end(): void {
    clearTimeout(this.#timer);
    this.#mode = this.#timer = undefined;
    this.#untilMs = 0;
    this.#ended.resolve();
    this.#ended = Promise.withResolvers<void>();
    this.#onChange();
  }

  /** Resolves when the pause has ended. */
  async over(): Promise<void> {
    if (this.#mode !== undefined) await this.#ended.promise;
  }
}
