import { basename, dirname, join, normalize } from "node:path";
import type { OutputTarget } from "../sort/bucket_output.ts";
import { compressionOfName } from "../sort/compression.ts";
import { syncDirectory } from "./durable_file.ts";
import { cannotWrite, completeEmpty, type Output } from "./output.ts";
import type { OutputOptions } from "./output_file.ts";
import { PartFile, partPathOf } from "./part_file.ts";

/** The most files of an output. */
export const MAX_OUTPUT_PARTS = 1000;

/** Nobody else may look into the folder before it is complete. */
const HIDDEN_FOLDER_MODE = 0o700;
const HIDDEN_FILE_MODE = 0o600;
/** The bits of a mode that allow reading. */
const READ_BITS = 0o444;

/**
 * A folder of numbered files, which together are the output. It is written beside its final name, in
 * `.NAME.quartet-parts`, and renamed when it is complete.
 *
 * The part of a file with the same name (part_file.ts) serves as the lock. So two sorts with one
 * output meet, also if only one of them writes several files.
 */
export class OutputFolder implements Output {
  readonly path: string;
  readonly targets: readonly OutputTarget[];
  readonly inDoubt = false;
  readonly #hidden: string;
  readonly #lock: PartFile;
  readonly #mode: number | undefined;
  #committed = false;

  private constructor(path: string, lock: PartFile, { mode, parts }: OutputOptions) {
    this.path = path;
    this.#lock = lock;
    this.#mode = mode;
    this.#hidden = hiddenFolderOf(path);
    const compression = compressionOfName(path);
    const end = compression === undefined ? "" : compression === "gzip" ? ".gz" : ".zst";
    const digits = String(parts! - 1).length;
    this.targets = Array.from({ length: parts! }, (_, i) => ({
      path: join(this.#hidden, `part-${String(i).padStart(digits, "0")}${end}`),
      compression,
    }));
  }

  /**
   * Claims the output and creates the files.
   *
   * @param path The final name of the folder, which must not exist, or be empty.
   * @throws {Error} If it cannot be created, or another sort has the same output. The message names the
   * output.
   */
  static async create(path: string, options: OutputOptions): Promise<OutputFolder> {
    const target = normalize(path).replace(/(?<=.)\/$/, "");
    try {
      await assertEmpty(target);
      const lock = await PartFile.claim(partPathOf(target), options.owner);
      const folder = new OutputFolder(target, lock, options);
      try {
        // What is there now is left from a sort that was killed.
        await removeFolder(folder.#hidden);
        await Deno.mkdir(folder.#hidden, { mode: HIDDEN_FOLDER_MODE });
        for (const { path } of folder.targets) {
          (await Deno.open(path!, { write: true, createNew: true, mode: HIDDEN_FILE_MODE }))
            .close();
        }
        return folder;
      } catch (error) {
        folder.discard();
        throw error;
      }
    } catch (error) {
      throw cannotWrite(path, error);
    }
  }

  async begin(): Promise<void> {
    await this.#lock.begin().catch((error) => {
      throw cannotWrite(this.path, error);
    });
  }

  /** Sets the modes, and waits until everything written is on disk. */
  async sync(): Promise<void> {
    try {
      await completeEmpty(this.targets);
      for (const { path } of this.targets) {
        if (this.#mode !== undefined) await Deno.chmod(path!, this.#mode);
        using file = await Deno.open(path!);
        await file.sync();
      }
      await syncDirectory(this.#hidden);
      await this.#lock.assertOwn();
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  /** @throws {Error} Always: only a file can be replaced together with the outputs of other nodes. */
  prepare(): Promise<void> {
    return Promise.reject(new Error("Cannot write several files together with other nodes"));
  }

  async abandon(): Promise<void> {
    await removeFolder(this.#hidden);
  }

  /** Gives the folder its name, in place of an empty one. */
  async commit(): Promise<void> {
    try {
      // A folder can be entered by all who can read its files.
      const mode = this.#mode === undefined
        ? undefined
        : this.#mode | (this.#mode & READ_BITS) >> 2;
      if (mode !== undefined) await Deno.chmod(this.#hidden, mode | HIDDEN_FOLDER_MODE);
      await Deno.rename(this.#hidden, this.path);
      this.#committed = true;
      await syncDirectory(dirname(this.path));
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  discard(): void {
    try {
      if (!this.#committed) Deno.removeSync(this.#hidden, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    } finally {
      this.#lock.remove();
      this.#lock.close();
    }
  }
}

/** The folder with the files of an output until it is complete. */
function hiddenFolderOf(output: string): string {
  return join(dirname(output), `.${basename(output)}.quartet-parts`);
}

async function assertEmpty(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!info.isDirectory) throw new Error("it is not a folder");
  for await (const { name } of Deno.readDir(path)) {
    throw new Error(`the folder is not empty, it has "${name}"`);
  }
}

async function removeFolder(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
