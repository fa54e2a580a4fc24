import type { DaemonProcess } from "../support/daemon.ts";
import { until } from "../support/within.ts";
import type { Part } from "./part.ts";
import { ProcessWatch } from "./process_watch.ts";

const WARM_UP_MS = 3000;
/** How long the clients of the warm-up may take to leave. */
const LEAVE_MAX_MS = 20_000;
/** How many more descriptors than after the warm-up are no leak: files that are opened at times. */
const SPARE_DESCRIPTORS = 3;
/** A daemon whose clients have gone must stop within this. */
const STOP_MAX_MS = 15_000;
const MIB = 1024 * 1024;

/** Prints a line of the report. */
export type Say = (name: string, text: string) => void;

/** What a stage consists of. */
export interface StageOptions {
  daemon: DaemonProcess;
  parts: readonly Part[];
  /** What the daemon needs, itself included; disposed of with the stage. */
  resources: AsyncDisposableStack;
  /**
   * How many descriptors the daemon may open when it first needs them, even after the warm-up, such as
   * connections to a database. @default {0}
   */
  lateDescriptors?: number;
  /** Lines at level error that a part brings about. */
  expectedErrors?: RegExp;
  /** Checks what is left when the daemon has stopped. */
  afterwards?: () => Promise<string>;
}

/** A daemon under load. */
export class Stage implements AsyncDisposable {
  readonly name: string;
  readonly watch: ProcessWatch;
  readonly #options: StageOptions;
  readonly #say: Say;
  #descriptors = 0;
  #failed = false;

  constructor(name: string, say: Say, options: StageOptions) {
    this.name = name;
    this.#options = options;
    this.watch = new ProcessWatch(options.daemon.child.pid);
    this.#say = (part, text) => say(`${name} ${part}`, text);
  }

  /** Runs every part once for a moment: threads and files opened on first use are no leaks. */
  async warmUp(): Promise<void> {
    await this.#runParts(AbortSignal.timeout(WARM_UP_MS), false);
    let before = Infinity;
    const fall = () => {
      const falls = this.watch.descriptors() < before;
      before = this.watch.descriptors();
      return falls;
    };
    await until("the clients of the warm-up have left", () => !fall(), LEAVE_MAX_MS, 500);
    this.#descriptors = before;
  }

  /** Loads the daemon until `stop` aborts, and reports what each part did. */
  async run(stop: AbortSignal): Promise<void> {
    const watching = this.watch.run(stop);
    await this.#runParts(stop, true);
    await watching;
  }

  /**
   * Checks what the load has left behind, and stops the daemon.
   *
   * @returns Whether nothing at all was wrong.
   */
  async finish(): Promise<boolean> {
    const { daemon, lateDescriptors = 0, expectedErrors, afterwards } = this.#options;
    const { watch } = this;
    const most = this.#descriptors + lateDescriptors + SPARE_DESCRIPTORS;
    await until("no descriptor is left", () => watch.descriptors() <= most, 30_000, 100)
      .catch((error) => this.#fail(error));
    const { beforeBytes, afterBytes, peakBytes, isFlat } = await watch.growth();
    const [before, after, peak] = [beforeBytes, afterBytes, peakBytes].map((bytes) =>
      Math.round(bytes / MIB)
    );
    this.#say("memory", `${before} MiB early on, ${after} at the end, ${peak} at most`);
    if (!isFlat) this.#fail(new Error("its memory has grown"));
    this.#say("files", `${this.#descriptors} descriptors early on, ${watch.descriptors()} now`);
    const startMs = performance.now();
    const { code } = await daemon.stop();
    const tookMs = Math.round(performance.now() - startMs);
    this.#say("exit", `${code} after ${tookMs} ms`);
    if (code !== 0) this.#fail(new Error(`the exit code is ${code}`));
    if (tookMs > STOP_MAX_MS) this.#fail(new Error("it took too long to stop"));
    await afterwards?.().then(
      (text) => this.#say("after", text),
      (error) => this.#fail(error),
    );
    const errors = daemon.log.split("\n").filter((line) =>
      line.includes("level=error") && !expectedErrors?.test(line)
    );
    for (const line of errors.slice(0, 10)) this.#fail(new Error(line));
    if (/Bug: /.test(daemon.log)) this.#fail(new Error("it found a bug"));
    return !this.#failed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.resources.disposeAsync();
  }

  async #runParts(stop: AbortSignal, reports: boolean): Promise<void> {
    await Promise.all(this.#options.parts.map(async (part) => {
      try {
        const text = await part.run(stop);
        if (reports) this.#say(part.name, text);
      } catch (error) {
        this.#fail(error, part.name);
      }
    }));
  }

  #fail(error: unknown, part = "FAILED"): void {
    this.#failed = true;
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#say(part, part === "FAILED" ? text : `FAILED: ${text}`);
  }
}
