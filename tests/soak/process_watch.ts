import { pause } from "./part.ts";

const MIB = 1024 * 1024;
const SAMPLE_EVERY_MS = 1000;
const SAMPLES_PER_MINUTE = 60;
/** How many samples are taken when the clients have gone. */
const REST_SAMPLES = 5;

/** Memory may grow by this factor between the second quarter of a soak and the last one, */
export const GROWTH_MAX_RATIO = 1.25;
/** plus this much, which V8 leaves uncollected between two garbage collections. */
export const GROWTH_MAX_BYTES = 64 * MIB;

/** How much memory a process has taken, in bytes. */
export interface Growth {
  beforeBytes: number;
  afterBytes: number;
  peakBytes: number;
  isFlat: boolean;
}

/** Samples the memory and descriptors of a process, from /proc. */
export class ProcessWatch {
  readonly #pid: number;
  readonly #residentBytes: number[] = [];

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Takes a sample every second until `stop` aborts. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      this.#residentBytes.push(await this.residentBytes());
      await pause(SAMPLE_EVERY_MS, stop);
    }
  }

  /** The resident memory, in bytes. */
  async residentBytes(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.#pid}/status`);
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
  }

  /** The number of open descriptors. */
  descriptors(): number {
    return [...Deno.readDirSync(`/proc/${this.#pid}/fd`)].length;
  }

  /**
   * The memory in the second quarter and in the last one. A large sort may take some during all of a
   * quarter, so it is the low values that count, and what is left when the clients have gone.
   */
  async growth(): Promise<Growth> {
    const samples = this.#residentBytes;
    const quarter = Math.floor(samples.length / 4);
    const rest: number[] = [];
    for (let i = 0; i < REST_SAMPLES; i++) {
      rest.push(await this.residentBytes());
      await pause(SAMPLE_EVERY_MS);
    }
    const beforeBytes = low(samples.slice(quarter, 2 * quarter));
    const afterBytes = Math.min(low(samples.slice(3 * quarter)), low(rest));
    const isFlat = afterBytes <= beforeBytes * GROWTH_MAX_RATIO + GROWTH_MAX_BYTES;
    return { beforeBytes, afterBytes, peakBytes: Math.max(...samples), isFlat };
  }

  /** The median memory in each minute, in MiB. */
  mibPerMinute(): number[] {
    const minutes: number[] = [];
    for (let at = 0; at < this.#residentBytes.length; at += SAMPLES_PER_MINUTE) {
      const bytes = median(this.#residentBytes.slice(at, at + SAMPLES_PER_MINUTE));
      minutes.push(Math.round(bytes / MIB));
    }
    return minutes;
  }
}

function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

function low(numbers: readonly number[]): number {
  return quantile(numbers, 0.1);
}

function quantile(numbers: readonly number[], part: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * part)] ?? 0;
}
