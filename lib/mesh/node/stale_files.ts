/**
 * Removes the files of a killed daemon.
 *
 * A part is next to the output of its job, in a directory that others may use too. So for each one
 * the daemon writes a note in a directory of its own. Notes, parts and spill files stay locked
 * while the job runs, and the operating system releases the locks of a killed process. A file is
 * removed only if a daemon with this data directory has made it and no running process has it
 * locked. A part that is prepared for the commit stays until node 0 has said what becomes of it. A
 * directory may be shared, so a part may belong to another daemon by now: its job and node tell.
 *
 * @module
 */

import { basename, dirname, join, relative } from "node:path";
import type { Log } from "../../log.ts";
import { confinedPath, ConfinedPathError } from "./confined_path.ts";
import {
  outputOfPart,
  PART_SUFFIX,
  type PartOwner,
  partPathOf,
  removeUnlocked,
} from "../job/part_file.ts";
import { syncDirectory, writeText } from "../job/durable_file.ts";
import { removePrepared, waitingNote } from "../job/prepared_note.ts";
import type { Doubt } from "./doubts.ts";

/** A spill file, or a copy of an input, which is in use if the file without a number is locked. */
const SPILL_NAME = /^(sort-[0-9a-f-]{36})(\.\d+)?\.spill$/;
const NOTE_NAME = /^output-[0-9a-f]{8}\.note$/;

/** The note on the part of a running job. Disposing it removes it, unless the job is in doubt. */
export class OutputNote implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #kept = false;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Writes and locks a note.
   *
   * @param notesDir The directory for notes.
   * @param output The final path of the output.
   * @param owner The job that writes it, and this node.
   */
  static async write(
    notesDir: string,
    output: string,
    { job, node }: PartOwner,
  ): Promise<OutputNote> {
    const path = join(notesDir, `output-${crypto.randomUUID().slice(0, 8)}.note`);
    const file = await Deno.open(path, { write: true, createNew: true });
    try {
      await file.lock(true);
      await writeText(file, `${partPathOf(output)}\n${job}\n${node}`);
      // A job that was prepared has to be found after a crash of the machine.
      await file.sync();
      await syncDirectory(notesDir);
    } catch (error) {
      file.close();
      throw error;
    }
    return new OutputNote(path, file);
  }

  /** Keeps the note, as the outcome of the job is not known; returns what removes it. */
  keep(): () => void {
    this.#kept = true;
    return () => removeIfThere(this.#path);
  }

  [Symbol.dispose](): void {
    if (!this.#kept) removeIfThere(this.#path);
    this.#file.close();
  }
}

/**
 * Removes spill files and parts that no running process uses.
 *
 * @param notesDir The directory with spill files and notes.
 * @param directory The directory that has all outputs.
 * @returns The parts whose outcome is not known, which stay.
 */
export async function removeStaleFiles(
  notesDir: string,
  directory: string,
  log: Log,
): Promise<Doubt[]> {
  const doubts: Doubt[] = [];
  for await (const { name, isFile } of Deno.readDir(notesDir)) {
    const [isSpill, isNote] = [SPILL_NAME.test(name), NOTE_NAME.test(name)];
    if (!isFile || (!isSpill && !isNote)) continue;
    const path = join(notesDir, name);
    try {
      using lock = await openLock(path);
      if (lock && !await lock.tryLock(true)) continue;
      if (isNote) {
        const [named = "", job, node] = (await Deno.readTextFile(path)).split("\n");
        const part = await partNamedIn(named, directory);
        if (part !== undefined) {
          const output = outputOfPart(part);
          const prepared = await waitingNote(output);
          if (prepared && prepared.job === job && prepared.node === Number(node)) {
            doubts.push({ job, output, forget: () => removeIfThere(path) });
            continue;
          }
          if (prepared === undefined) await removeHalf(part, log);
        }
      }
      removeIfThere(path);
    } catch (error) {
      // Apart from disk space, a stale file does no harm.
      log.warn("Cannot remove a stale file", { path, error: String(error) });
    }
  }
  return doubts;
}

/** Removes a part that is not prepared, and what is left beside an output that has its name. */
async function removeHalf(part: string, log: Log): Promise<void> {
  // It was killed after the rename and before it removed the note beside the output.
  await removePrepared(outputOfPart(part));
  if (await removeUnlocked(part)) log.info("Removed a stale temporary output", { path: part });
}

/**
 * Spill files that no process on this machine uses. Another machine may use them if the directory is
 * on a shared network folder.
 *
 * @param directory The directory, which need not exist.
 */
export async function unusedSpills(directory: string): Promise<{ path: string; bytes: number }[]> {
  const unused: { path: string; bytes: number }[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(directory)) {
      if (!isFile || !SPILL_NAME.test(name)) continue;
      const path = join(directory, name);
      using lock = await openLock(path);
      const bytes = (await Deno.stat(path)).size;
      // An empty one may be about to be locked by the sort that has just created it.
      if (bytes === 0 || lock && !await lock.tryLock(true)) continue;
      unused.push({ path, bytes });
    }
  } catch {
    // The sort says what is wrong with the directory, and other users' files are not ours to name.
  }
  return unused;
}

/** Opens the file that is locked while another one is in use; `undefined` if it does not exist. */
async function openLock(path: string): Promise<Deno.FsFile | undefined> {
  const lock = join(dirname(path), basename(path).replace(SPILL_NAME, "$1.spill"));
  try {
    return await Deno.open(lock, { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The part that a note names; `undefined` if this daemon cannot have made it. */
async function partNamedIn(path: string, directory: string): Promise<string | undefined> {
  if (!basename(path).startsWith(".") || !path.endsWith(PART_SUFFIX)) return undefined;
  try {
    return await confinedPath(directory, relative(await Deno.realPath(directory), path));
  } catch (error) {
    if (error instanceof ConfinedPathError) return undefined;
    throw error;
  }
}

/** Removes a file that may be gone already. */
function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
