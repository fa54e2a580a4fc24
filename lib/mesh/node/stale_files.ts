/**
 * What a daemon that is killed leaves behind, and how the next one knows it.
 *
 * A temporary output lies beside the output of its job, in a directory that may be anybody's, so
 * the daemon writes down in a directory of its own which it has made: a note for each, whose name
 * has the random part of the name of the file that it is about. As long as the job runs, the note
 * is locked, and so is a spill file; the operating system lets go of the locks of who is killed. So
 * nothing is removed but what a daemon on this directory has made, and none works on any more.
 *
 * @module
 */

import { basename, join, relative } from "node:path";
import type { Log } from "../../log.ts";
import { confinedPath, ConfinedPathError } from "./confined_path.ts";
import { temporaryPathOf } from "../job/output_file.ts";

const SPILL_NAME = /^sort-[0-9a-f-]{36}\.spill$/;
const NOTE_NAME = /^output-([0-9a-f]{8})\.note$/;

/** The note on the temporary output of a job that runs; it is gone when it goes out of scope. */
export class OutputNote implements Disposable {
  /** Where the temporary output is to be. */
  readonly temporaryPath: string;
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(temporaryPath: string, path: string, file: Deno.FsFile) {
    this.temporaryPath = temporaryPath;
    this.#path = path;
    this.#file = file;
  }

  /**
   * Writes one.
   *
   * @param notesDir The directory of the daemon's own.
   * @param output The name that the output will have.
   */
  static async write(notesDir: string, output: string): Promise<OutputNote> {
    const random = crypto.randomUUID().slice(0, 8);
    const temporaryPath = temporaryPathOf(output, random);
    const path = join(notesDir, `output-${random}.note`);
    const file = await Deno.open(path, { write: true, createNew: true });
    try {
      await file.lock(true);
      const text = new TextEncoder().encode(temporaryPath);
      for (let at = 0; at < text.length;) at += await file.write(text.subarray(at));
    } catch (error) {
      file.close();
      throw error;
    }
    return new OutputNote(temporaryPath, path, file);
  }

  [Symbol.dispose](): void {
    removeIfThere(this.#path);
    this.#file.close();
  }
}

/**
 * Removes spill files and temporary outputs of jobs that no daemon works on any more.
 *
 * @param notesDir The directory of the daemon's own, with spill files and notes.
 * @param directory The directory that outputs are below.
 */
export async function removeStaleFiles(
  notesDir: string,
  directory: string,
  log: Log,
): Promise<void> {
  for await (const { name, isFile } of Deno.readDir(notesDir)) {
    const [isSpill, note] = [SPILL_NAME.test(name), NOTE_NAME.exec(name)];
    if (!isFile || (!isSpill && note === null)) continue;
    const path = join(notesDir, name);
    try {
      using file = await Deno.open(path, { read: true, write: true });
      if (!await file.tryLock(true)) continue;
      if (note !== null) {
        const temporary = await temporaryOf(await Deno.readTextFile(path), note[1]!, directory);
        if (temporary !== undefined && removeIfThere(temporary)) {
          log.info("Removed what a job of a killed daemon had left", { path: temporary });
        }
      }
      removeIfThere(path);
    } catch (error) {
      // It costs room on the disk and nothing else.
      log.warn("Cannot remove what a killed daemon has left", { path, error: String(error) });
    }
  }
}

/** The file that a note is about; `undefined` if it can be none of ours. */
async function temporaryOf(
  path: string,
  random: string,
  directory: string,
): Promise<string | undefined> {
  if (!basename(path).startsWith(".") || !path.endsWith(`.${random}.part`)) return undefined;
  try {
    return await confinedPath(directory, relative(await Deno.realPath(directory), path));
  } catch (error) {
    if (error instanceof ConfinedPathError) return undefined;
    throw error;
  }
}

/** Whether it was there. */
function removeIfThere(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
