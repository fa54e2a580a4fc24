import { basename, dirname, join } from "node:path";

/**
 * Where an output is until it is complete.
 *
 * @param path The name that it will have.
 * @param random Unlike that of any other output.
 */
export function temporaryPathOf(path: string, random: string): string {
  return join(dirname(path), `.${basename(path)}.${random}.part`);
}

/**
 * An output that takes its name only when it is complete: until then it is a temporary file
 * beside it, and what had the name before stays as it was.
 */
export class OutputFile {
  /** The name that it will have. */
  readonly path: string;
  /** Where it is until then. */
  readonly temporaryPath: string;
  #committed = false;

  private constructor(path: string, temporaryPath: string) {
    this.path = path;
    this.temporaryPath = temporaryPath;
  }

  /**
   * Makes the temporary file.
   *
   * @param path The name that the output will have.
   * @param temporaryPath Where it is until then, in the same directory.
   * @throws {Error} If it cannot be made.
   */
  static async create(
    path: string,
    temporaryPath = temporaryPathOf(path, crypto.randomUUID().slice(0, 8)),
  ): Promise<OutputFile> {
    const output = new OutputFile(path, temporaryPath);
    try {
      const { isFile, isDirectory } = await Deno.stat(path);
      // What takes its name would take the place of a device or a pipe, too.
      if (!isFile) throw new Error(isDirectory ? "it is a directory" : "it is not a file");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw cannotWrite(path, error);
    }
    try {
      (await Deno.open(temporaryPath, { write: true, createNew: true })).close();
    } catch (error) {
      throw cannotWrite(path, error);
    }
    return output;
  }

  /** Waits until everything that was written is on the disk. */
  async sync(): Promise<void> {
    using file = await Deno.open(this.temporaryPath, { write: true });
    await file.sync();
  }

  /** Gives it its name, in the place of what had it. */
  async commit(): Promise<void> {
    await Deno.rename(this.temporaryPath, this.path);
    this.#committed = true;
    // The name is on the disk when the directory is.
    using directory = await Deno.open(dirname(this.path));
    await directory.sync();
  }

  /** Removes it, unless it has its name. */
  discard(): void {
    if (this.#committed) return;
    try {
      Deno.removeSync(this.temporaryPath);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function cannotWrite(path: string, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error);
  return new Error(`Cannot write "${path}": ${reason}`, { cause: error });
}
