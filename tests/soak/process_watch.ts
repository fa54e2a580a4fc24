import { pause } from "./workload.ts";

const MIB = 1024 * 1024;

/** Memory may grow by so much between the second quarter of a soak and the last one: */
export const GROWTH_MAX_RATIO = 1.25;
/** and by so much more, which is what V8 lets lie between two collections. */
export const GROWTH_MAX_BYTES = 64 * MIB;

/** Samples what a process holds, as Linux tells it. */
export class ProcessWatch {
  readonly #pid: number;
  readonly #residentBytes: number[] = [];

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Takes a sample every second until it is stopped. */
  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      this.#residentBytes.push(await this.residentBytes());
      await pause(1000);
    }
  }

  async residentBytes(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.#pid}/status`);
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
  }

  descriptors(): number {
    return [...Deno.readDirSync(`/proc/${this.#pid}/fd`)].length;
  }

  /** The median of the second quarter and of the last one, and the most there was. */
  growth(): { beforeMib: number; afterMib: number; mostMib: number; isFlat: boolean } {
    const samples = this.#residentBytes;
    const quarter = Math.floor(samples.length / 4);
    const before = median(samples.slice(quarter, 2 * quarter));
    const after = median(samples.slice(3 * quarter));
    return {
      beforeMib: Math.round(before / MIB),
      afterMib: Math.round(after / MIB),
      mostMib: Math.round(Math.max(...samples) / MIB),
      isFlat: after <= before * GROWTH_MAX_RATIO + GROWTH_MAX_BYTES,
    };
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
