/**
 * Node 0's jobs on disk: those that wait, the one that runs, and the history. Each line of the file is
 * a job in JSON; the last line of a job counts. A file with many outdated lines is written anew.
 *
 * @module
 */

import * as v from "valibot";
import type { Log } from "../../log.ts";
import { Turn } from "../../turn.ts";
import { replaceFile, writeText } from "../job/durable_file.ts";
import { isRecordFormat, type RecordFormat } from "../records/record_format.ts";

/** The file is written anew when it has this many lines more than twice the number of jobs. */
const SPARE_LINES = 200;
/** Lines that are written at once. */
const LINES_PER_WRITE = 100;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** In Unix time, in the range of `Date`. */
const time = v.pipe(count, v.maxValue(8.64e15));

const entrySchema = v.object({
  id: count,
  input: v.string(),
  output: v.string(),
  format: v.custom<RecordFormat>(isRecordFormat),
  state: v.picklist(["waiting", "running", "done", "failed", "cancelled"]),
  result: v.string(),
  submittedMs: time,
  startedMs: v.exactOptional(time),
  endedMs: v.exactOptional(time),
  key: v.exactOptional(v.string()),
  starts: count,
});

/** A job as it is kept on disk. Times are in Unix time. */
export type JobEntry = v.InferOutput<typeof entrySchema>;

/** Where the queue keeps its jobs. */
export interface JobStore {
  /**
   * Keeps the present state of a job; resolves when it is on disk.
   *
   * @throws {Error} If it cannot be written.
   */
  write(entry: JobEntry): Promise<void>;
  /** Forgets a job. It may come back with a restart. */
  drop(id: number): void;
  /** Resolves when everything is written, or has failed. */
  flushed(): Promise<void>;
}

/** A change that waits for the disk. */
interface Pending {
  line: string;
  written: PromiseWithResolvers<void>;
}

/** The file with the jobs of one daemon. */
export class JobLog implements JobStore {
  readonly #path: string;
  /** The last line of each job. */
  readonly #lines: Map<number, string>;
  /** The number of lines in the file. */
  #written: number;
  /** Whether the file may end within a line, or lack what was written. */
  #torn = false;
  #pending: Pending[] = [];
  /** The writes in progress; `undefined` if there are none. */
  #writing: Promise<void> | undefined;

  private constructor(path: string, lines: Map<number, string>, written: number) {
    this.#path = path;
    this.#lines = lines;
    this.#written = written;
  }

  /**
   * Reads the file, which need not exist.
   *
   * @returns The log, and the jobs in the order of their numbers.
   * @throws {Error} If the file cannot be read or written.
   */
  static async open(path: string, log: Log): Promise<{ jobs: JobLog; entries: JobEntry[] }> {
    const text = await Deno.readTextFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    });
    const entries = new Map<number, JobEntry>();
    const lines = text.split("\n");
    const turn = new Turn();
    for (const [i, line] of lines.entries()) {
      if (turn.over) await turn.next();
      if (line === "") continue;
      const entry = parseEntry(line);
      if (entry !== undefined) entries.set(entry.id, entry);
      // A kill can cut off the last line, whose job was not acknowledged then.
      else if (i < lines.length - 1) log.warn("Ignored a damaged job", { path, line: i + 1 });
    }
    const sorted = [...entries.values()].sort((a, b) => a.id - b.id);
    const texts = new Map(sorted.map((entry) => [entry.id, lineOf(entry)]));
    const jobs = new JobLog(path, texts, 0);
    await jobs.#rewrite();
    return { jobs, entries: sorted };
  }

  write(entry: JobEntry): Promise<void> {
    const line = lineOf(entry);
    this.#lines.set(entry.id, line);
    const written = Promise.withResolvers<void>();
    this.#pending.push({ line, written });
    this.#writing ??= this.#flush();
    return written.promise;
  }

  async flushed(): Promise<void> {
    await this.#writing;
  }

  drop(id: number): void {
    this.#lines.delete(id);
  }

  /** Writes what is pending, all at once, until nothing is. */
  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0);
      try {
        const isLong = this.#written > 2 * this.#lines.size + SPARE_LINES;
        if (this.#torn || isLong) await this.#rewrite();
        else await this.#append(batch.map(({ line }) => line));
        for (const { written } of batch) written.resolve();
      } catch (error) {
        this.#torn = true;
        for (const { written } of batch) written.reject(error);
      }
    }
    this.#writing = undefined;
  }

  async #append(lines: string[]): Promise<void> {
    using file = await Deno.open(this.#path, { append: true });
    await writeText(file, lines.join(""));
    await file.sync();
    this.#written += lines.length;
  }

  async #rewrite(): Promise<void> {
    const lines = [...this.#lines.values()];
    const chunks = Array.from({ length: Math.ceil(lines.length / LINES_PER_WRITE) }, (_, i) => (
      lines.slice(i * LINES_PER_WRITE, (i + 1) * LINES_PER_WRITE).join("")
    ));
    await replaceFile(this.#path, chunks);
    this.#written = lines.length;
    this.#torn = false;
  }
}

function lineOf(entry: JobEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

function parseEntry(line: string): JobEntry | undefined {
  try {
    const { success, output } = v.safeParse(entrySchema, JSON.parse(line));
    return success ? output : undefined;
  } catch {
    return undefined;
  }
}
