import { dirname } from "node:path";
import { fileErrorReason } from "../file_error.ts";
import { CommandError } from "./command.ts";
import { writeAll } from "./terminal.ts";
import { expectNone } from "./storage_file.ts";

/** Only its owner may read a backup. */
const MODE = 0o600;

/** Where a backup goes. */
export interface BackupOutput extends AsyncDisposable {
  /** @throws {CommandError} If it cannot be written. */
  write(bytes: Uint8Array): Promise<void>;
  /** The backup is complete. Without this call nothing stays under its name. */
  finish(): Promise<void>;
}

/**
 * Opens the output of a backup.
 *
 * @param path The file, which must not exist; "-" for standard output.
 * @throws {CommandError} If it exists or cannot be created, or standard output is a terminal.
 */
export async function backupOutput(path: string): Promise<BackupOutput> {
  if (path === "-") {
    if (!Deno.stdout.isTerminal()) return STANDARD_OUTPUT;
    throw new CommandError(
      "Cannot write the backup to a terminal: name a file, or use a pipe",
    );
  }
  await expectNone(path);
  return await FileOutput.create(path);
}

const STANDARD_OUTPUT: BackupOutput = {
  write: (bytes) => {
    if (writeAll(Deno.stdout, bytes)) return Promise.resolve();
    throw new CommandError("Cannot write the backup: standard output was closed");
  },
  finish: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** A file with a name of its own until it is complete. */
class FileOutput implements BackupOutput {
  readonly #path: string;
  readonly #unfinished: string;
  readonly #file: Deno.FsFile;
  #finished = false;

  private constructor(path: string, unfinished: string, file: Deno.FsFile) {
    this.#path = path;
    this.#unfinished = unfinished;
    this.#file = file;
  }

  static async create(path: string): Promise<FileOutput> {
    const unfinished = `${path}.part`;
    return await attempt(unfinished, async () => {
      const file = await Deno.open(unfinished, { write: true, create: true, mode: MODE });
      // A file without a lock is what a process that was killed has left.
      if (!await file.tryLock(true)) {
        file.close();
        throw new Error("another backup is writing it");
      }
      await file.truncate();
      await Deno.chmod(unfinished, MODE);
      return new FileOutput(path, unfinished, file);
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    await attempt(this.#unfinished, async () => {
      for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
    });
  }

  async finish(): Promise<void> {
    await attempt(this.#path, async () => {
      await this.#file.sync();
      await expectNone(this.#path);
      await Deno.rename(this.#unfinished, this.#path);
      this.#finished = true;
      using directory = await Deno.open(dirname(this.#path));
      await directory.sync();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#finished) {
      await Deno.remove(this.#unfinished).catch(() => {
        // It is gone already, or does no harm: the next backup begins it anew.
      });
    }
    this.#file.close();
  }
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`Cannot write "${path}": ${fileErrorReason(error)}`);
  }
}
