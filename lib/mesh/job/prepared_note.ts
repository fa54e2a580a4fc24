/**
 * The note beside a part that is complete, `.NAME.quartet-prepared`. It says that the node has promised
 * to rename the part if node 0 decides to commit, so nobody but node 0 or the operator may remove it.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { syncDirectory, writeText } from "./durable_file.ts";
import { partPathOf, PartTakenError } from "./part_file.ts";

const NOTE_SUFFIX = ".quartet-prepared";

/** What a node has prepared. */
export interface PreparedNote {
  /** The job, by the name that all its nodes know. */
  job: string;
  node: number;
  /** The number of nodes. */
  nodes: number;
  /** The records of the part, its size, and the sum of the checksums in hexadecimal. */
  records: number;
  bytes: number;
  checksum: string;
}

function notePathOf(output: string): string {
  return join(dirname(output), `.${basename(output)}${NOTE_SUFFIX}`);
}

/** Writes a note; resolves when it is on disk. */
export async function writePrepared(output: string, note: PreparedNote): Promise<void> {
  const path = notePathOf(output);
  try {
    using file = await Deno.open(path, { write: true, create: true, truncate: true, mode: 0o600 });
    await writeText(file, JSON.stringify(note));
    await file.sync();
    await syncDirectory(dirname(path));
  } catch (error) {
    await removePrepared(output).catch(() => {});
    throw error;
  }
}

/** Reads a note; `undefined` if there is none, or it was not written completely. */
export async function readPrepared(output: string): Promise<PreparedNote | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(notePathOf(output));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    const { job, node, nodes, records, bytes, checksum } = JSON.parse(text);
    const isWhole = typeof job === "string" && typeof checksum === "string" &&
      [node, nodes, records, bytes].every(Number.isSafeInteger);
    return isWhole ? { job, node, nodes, records, bytes, checksum } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Removes a note, if there is one. */
export async function removePrepared(output: string): Promise<void> {
  await Deno.remove(notePathOf(output)).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** The note on a part that waits for its outcome; `undefined` if none does. */
export async function waitingNote(output: string): Promise<PreparedNote | undefined> {
  const note = await readPrepared(output);
  return note !== undefined && await sizeOf(partPathOf(output)) !== undefined ? note : undefined;
}

/**
 * Ends what was prepared: gives the part its name, or removes it. It can be repeated, also after a
 * failure halfway.
 *
 * @throws {PartTakenError} If the sort still runs.
 * @throws {Error} If the part is not the one that was prepared, or cannot be renamed or removed.
 */
export async function settlePrepared(output: string, commit: boolean): Promise<void> {
  const note = await readPrepared(output);
  if (note === undefined) return;
  const part = partPathOf(output);
  const bytes = await sizeOf(part);
  if (bytes !== undefined) {
    using file = await Deno.open(part);
    if (!await file.tryLock(true)) throw new PartTakenError("the sort is still running");
    if (!commit) await Deno.remove(part);
    else if (bytes === note.bytes) await Deno.rename(part, output);
    else throw new Error(`"${part}" has ${bytes} bytes, and ${note.bytes} were prepared`);
    await syncDirectory(dirname(output));
  }
  await removePrepared(output);
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.lstat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
