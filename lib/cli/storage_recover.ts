import { fileErrorReason } from "../file_error.ts";
import { lockFile } from "../storage/sqlite/lock_file.ts";
import { type FileContents, recoverFile } from "../storage/sqlite/verify_file.ts";
import { CommandError } from "./command.ts";
import { describeContents, expectFile, expectNone } from "./storage_file.ts";
import { print, printError } from "./terminal.ts";

/** What SQLite keeps beside a file while it is open. */
const SIDE_FILES = ["", "-wal", "-shm", "-journal"];

/**
 * `quartet storage recover`: copies what is good in a damaged file into a new one, and says what is
 * lost.
 *
 * @param path The file, which stays as it is.
 * @param into The new file, which must not exist.
 * @throws {CommandError} If a daemon uses the file, or one of the files cannot be read or written.
 */
export async function recoverStorage(path: string, into: string): Promise<void> {
  await expectFile(path);
  await expectNone(into);
  let contents: FileContents;
  try {
    using _lock = await lockFile(path);
    contents = await recover(path, into);
  } catch (error) {
    throw error instanceof Error ? new CommandError(error.message) : error;
  }
  for (const damage of contents.damages) printError(`Lost: ${damage}`);
  const lost = contents.damages.length === 0 ? "nothing is lost" : "the rest is lost";
  print(`Saved into "${into}": ${describeContents(contents)}; ${lost}`);
}

/** Recovers a file; leaves no new one behind if that fails. */
async function recover(path: string, into: string): Promise<FileContents> {
  try {
    return await recoverFile(path, into);
  } catch (error) {
    // If somebody has created the file meanwhile, it is theirs.
    if (!(error instanceof Deno.errors.AlreadyExists)) await removeFile(into);
    throw new Error(`Cannot recover "${path}" into "${into}": ${fileErrorReason(error)}`, {
      cause: error,
    });
  }
}

async function removeFile(path: string): Promise<void> {
  for (const end of SIDE_FILES) {
    await Deno.remove(path + end).catch(() => {
      // It was not created, or the error to report is the reason.
    });
  }
}
