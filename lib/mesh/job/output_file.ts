import { basename, dirname, join } from "node:path";

/**
 * The path of an output until it is complete.
 *
 * @param path The final name of the output.
 * @param random A part that makes the name unique.
 */
export function temporaryPathOf(path: string, random: string): string {
  return join(dirname(path), `.${basename(path)}.${random}.part`);
}

/**
 * An output that gets its name only when it is complete. Until then it is a temporary file in the
 * same directory, and a file that already has the name is left alone.
 */
export class OutputFile {
  /** The final name. */
  readonly path: string;
  /** The name until `commit`. */
  readonly temporaryPath: string;
  #committed = false;

  private constructor(path: string, temporaryPath: string) {
    this.path = path;
    this.temporaryPath = temporaryPath;
  }

  /**
   * Creates the temporary file.
   *
   * @param path The final name of the output.
   * @param temporaryPath Its name until then, in the same directory.
   * @throws {Error} If it cannot be created, or the final name belongs to something but a file.
   */
  static async create(
    path: string,
    temporaryPath = temporaryPathOf(path, crypto.randomUUID().slice(0, 8)),
  ): Promise<OutputFile> {
    const output = new OutputFile(path, temporaryPath);
    try {
      const { isFile, isDirectory } = await Deno.stat(path);
      // The rename at the end would replace a device or a pipe as well.
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

  /** Waits until everything written is on disk. */
  async sync(): Promise<void> {
    using file = await Deno.open(this.temporaryPath, { write: true });
    await file.sync();
  }

  /** Gives the output its name, and replaces the file that had it. */
  async commit(): Promise<void> {
    await Deno.rename(this.temporaryPath, this.path);
    this.#committed = true;
    // The rename is on disk once the directory is.
    using directory = await Deno.open(dirname(this.path));
    await directory.sync();
  }

  /** Removes the temporary file, unless the output has been committed. */
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
