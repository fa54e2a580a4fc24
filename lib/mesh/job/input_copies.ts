import type { SortThread } from "../sort/sort_pool.ts";

/** Only the owner may read a copy: its data may come from a file that others cannot read. */
const COPY_MODE = 0o600;

/** An input to be copied. */
export interface CopiedInput {
  /** Its path; `undefined` for standard input. */
  source: string | undefined;
  /** What people call it. */
  name: string;
}

/**
 * Copies of the inputs that cannot be read at any place: streams, and compressed files, which are
 * decompressed. They exist until everything is dealt out.
 *
 * They are named `sort-….1.spill` and so on. All are in use as long as `sort-….spill` is locked, as a
 * process cannot keep a file open for each of thousands of inputs.
 */
export class InputCopies {
  readonly #path: string;
  readonly #lock: Deno.FsFile;
  readonly #made: string[] = [];

  private constructor(path: string, lock: Deno.FsFile) {
    this.#path = path;
    this.#lock = lock;
  }

  /** @param directory The directory for copies. */
  static async create(directory: string): Promise<InputCopies> {
    const path = `${directory}/sort-${crypto.randomUUID()}`;
    const lock = await newFile(`${path}.spill`);
    await lock.lock(true);
    return new InputCopies(path, lock);
  }

  /**
   * Copies inputs, as many at a time as there are threads.
   *
   * @param done Called with the path and the size of each copy.
   * @throws {Error} If one cannot be read, decompressed or written; the message names it.
   */
  async make<Input extends CopiedInput>(
    inputs: readonly Input[],
    threads: readonly Pick<SortThread, "copy">[],
    done: (input: Input, path: string, bytes: number) => void,
  ): Promise<void> {
    const waiting = [...inputs].reverse();
    const work = async (thread: Pick<SortThread, "copy">) => {
      for (let input = waiting.pop(); input !== undefined; input = waiting.pop()) {
        const target = `${this.#path}.${this.#made.length + 1}.spill`;
        this.#made.push(target);
        (await newFile(target)).close();
        const { source, name } = input;
        done(input, target, await thread.copy({ source, name, target }));
      }
    };
    const stop = (error: unknown) => {
      waiting.length = 0;
      throw error;
    };
    // All have to end, or a file could appear after all others were removed.
    const ends = await Promise.allSettled(threads.map((thread) => work(thread).catch(stop)));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  /** Removes all copies. No thread may be copying any more. */
  async remove(): Promise<void> {
    // The lock last: without it, the others would count as left behind.
    for (const path of [...this.#made.splice(0), `${this.#path}.spill`]) {
      await Deno.remove(path).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
    this.#lock.close();
  }
}

async function newFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, createNew: true, mode: COPY_MODE });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot write "${path}": ${reason}`, { cause });
  }
}
