import { decodeJson, FORM, ITEM, type SectionStart } from "../storage/backup/backup_items.ts";
import { BackupError, FrameParser } from "../storage/backup/frames.ts";
import { ProgressBar, type ProgressState } from "./progress_bar.ts";

const BYTES_PER_MB = 1_000_000;

/** Checks a backup while it comes in, and shows how far it is if standard error is a terminal. */
export class BackupProgress {
  /** The services whose data it has so far. */
  readonly services: string[] = [];
  /** How many bytes have come. */
  bytes = 0;
  /** Whether the end has come. */
  complete = false;
  readonly #parser = new FrameParser();
  readonly #bar: ProgressBar | undefined;

  constructor() {
    if (!Deno.stderr.isTerminal()) return;
    this.#bar = new ProgressBar({ max: 0, format: (state) => this.#format(state) });
  }

  /**
   * Takes the next bytes.
   *
   * @returns Why the backup has failed; `undefined` if it goes on.
   */
  add(chunk: Uint8Array): string | undefined {
    this.bytes += chunk.length;
    try {
      for (const { kind, more, bytes } of this.#parser.feed(chunk)) {
        if (more) continue;
        if (kind === ITEM.failure) return decodeJson(FORM.failure, bytes).message;
        if (kind === ITEM.section) this.#beginSection(decodeJson(FORM.section, bytes));
        if (kind === ITEM.piece && this.#bar !== undefined) this.#bar.value++;
        if (kind === ITEM.end) this.complete = true;
      }
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      return `what came was not a good backup: ${error.message}`;
    }
    return undefined;
  }

  /** Ends the display. */
  stop(): void {
    this.#bar?.stop();
  }

  #beginSection({ services, pieces }: SectionStart): void {
    this.services.push(...services);
    if (this.#bar !== undefined) this.#bar.max += pieces;
  }

  #format({ time, bar, value, max, elapsedMs }: ProgressState): string {
    const megabytes = this.bytes / BYTES_PER_MB;
    const rate = elapsedMs > 0 ? megabytes / (elapsedMs / 1000) : 0;
    const share = max > 0 ? ` [${bar}] ${Math.floor(100 * value / max)}%` : "";
    return `backup ${time}${share} ${megabytes.toFixed(0)} MB, ${rate.toFixed(0)} MB/s`;
  }
}
