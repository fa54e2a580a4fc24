/**
 * Removes the files of a killed daemon.
 *
 * A temporary output is next to the output of its job, in a directory that others may use too. So
 * for each one the daemon writes a note in a directory of its own; the name of the note has the
 * random part of the name of the temporary output. Notes and spill files stay locked while the job
 * runs, and the operating system releases the locks of a killed process. A file is removed only if a
 * daemon with this data directory has made it and no running daemon has it locked.
 *
 * @module
 */

import { basename, join, relative } from "node:path";
import type { Log } from "../../log.ts";
import { confinedPath, ConfinedPathError } from "./confined_path.ts";
import { temporaryPathOf } from "../job/output_file.ts";

const SPILL_NAME = /^sort-[0-9a-f-]{36}\.spill$/;
const NOTE_NAME = /^output-([0-9a-f]{8})\.note$/;

/** The note on the temporary output of a running job. Disposing it removes it. */
export class OutputNote implements Disposable {
  /** The path for the temporary output. */
  readonly temporaryPath: string;
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(temporaryPath: string, path: string, file: Deno.FsFile) {
    this.temporaryPath = temporaryPath;
    this.#path = path;
    this.#file = file;
  }

  /**
   * Writes and locks a note.
   *
   * @param notesDir The directory for notes.
   * @param output The final path of the output.
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
 * Removes spill files and temporary outputs that no running daemon uses.
 *
 * @param notesDir The directory with spill files and notes.
 * @param directory The directory that has all outputs.
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
          log.info("Removed a stale temporary output", { path: temporary });
        }
      }
      removeIfThere(path);
    } catch (error) {
      // Apart from disk space, a stale file does no harm.
      log.warn("Cannot remove a stale file", { path, error: String(error) });
    }
  }
}

/** The temporary output that a note names; `undefined` if this daemon cannot have made it. */
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

/** Removes a file; returns whether it existed. */
function removeIfThere(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
