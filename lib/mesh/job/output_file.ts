import { dirname, isAbsolute, join } from "node:path";
import type { OutputTarget } from "../sort/bucket_output.ts";
import { compressionOfName } from "../sort/compression.ts";
import { syncDirectory } from "./durable_file.ts";
import { cannotWrite, completeEmpty, type Output } from "./output.ts";
import { PartFile, type PartOwner, partPathOf, PartTakenError } from "./part_file.ts";
import { type PreparedNote, removePrepared, waitingNote, writePrepared } from "./prepared_note.ts";

/** The most symbolic links on the way to an output, as in Linux. */
const MAX_LINKS = 40;

/** A path that is empty or ends like one of a directory. */
const NAMELESS = /(^|\/)\.{0,2}$/;

/** The bits of a mode that say who may do what. */
const PERMISSION_BITS = 0o7777;

/** Options for {@linkcode OutputFile.create}. */
export interface OutputOptions {
  /** The mode of a new output. A replaced one keeps its own. */
  mode: number | undefined;
  owner: PartOwner;
  /** Into how many files of a folder the output is divided. @default {one file without a folder} */
  parts?: number | undefined;
}

/**
 * An output that gets its name only when it is complete. Until then it is a part beside it
 * (part_file.ts), and a file that already has the name is left alone.
 *
 * A file that is replaced passes on its mode, its owner and its group. A symbolic link stays, and the
 * file that it names is replaced, as with `sort -o`.
 */
export class OutputFile implements Output {
  /** The final name, after symbolic links. */
  readonly path: string;
  readonly #part: PartFile;
  readonly #mode: number | undefined;
  #committed = false;
  /** Whether only node 0 may say what becomes of the part. */
  #prepared = false;

  private constructor(path: string, part: PartFile, mode: number | undefined) {
    this.path = path;
    this.#part = part;
    this.#mode = mode;
  }

  /** Whether the part is complete, and it is not known whether it becomes the output. */
  get inDoubt(): boolean {
    return this.#prepared && !this.#committed;
  }

  get targets(): OutputTarget[] {
    return [{ path: this.temporaryPath, compression: compressionOfName(this.path) }];
  }

  /** The name until `commit`. */
  get temporaryPath(): string {
    return this.#part.path;
  }

  /**
   * Claims the output and creates the part.
   *
   * @param path The final name of the output.
   * @throws {Error} If it cannot be created, the final name belongs to something but a file or to a
   * user who would lose it, or another sort has the same output. The message names the output.
   */
  static async create(path: string, { mode, owner }: OutputOptions): Promise<OutputFile> {
    try {
      const target = await followLinks(path);
      const replaced = await replacedBy(target);
      if (await waitingNote(target)) {
        const how = `see "quartet settle ${target}"`;
        throw new PartTakenError(`an interrupted sort waits for its outcome, ${how}`);
      }
      // A note without a part is left from a sort that was complete.
      await removePrepared(target);
      const part = await PartFile.claim(partPathOf(target), owner);
      try {
        if (replaced) await keepOwner(part, replaced);
        const kept = replaced?.mode ?? undefined;
        return new OutputFile(target, part, kept === undefined ? mode : kept & PERMISSION_BITS);
      } catch (error) {
        part.remove();
        part.close();
        throw error;
      }
    } catch (error) {
      throw cannotWrite(path, error);
    }
  }

  /**
   * Makes the part empty, once all nodes have claimed their outputs.
   *
   * @throws {Error} If another node has claimed this one too.
   */
  async begin(): Promise<void> {
    await this.#part.begin().catch((error) => {
      throw cannotWrite(this.path, error);
    });
  }

  /**
   * Sets the mode, and waits until everything written is on disk.
   *
   * @throws {Error} If another sort has claimed this output meanwhile.
   */
  async sync(): Promise<void> {
    try {
      await completeEmpty(this.targets);
      if (this.#mode !== undefined) await Deno.chmod(this.temporaryPath, this.#mode);
      await this.#part.sync();
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  /**
   * Promises that the output will get its name if all nodes are as far; resolves when the promise is
   * on disk. From then on, `discard` keeps the part.
   *
   * @throws {Error} If it cannot be written down, another sort has claimed the output, or the name now
   * belongs to something other than a file.
   */
  async prepare(note: PreparedNote): Promise<void> {
    try {
      await replacedBy(this.path);
      await writePrepared(this.path, note);
      await this.#part.assertOwn().catch(async (error) => {
        await removePrepared(this.path);
        throw error;
      });
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
    this.#prepared = true;
  }

  /** Takes back the promise, as node 0 has given up, and removes the part. */
  async abandon(): Promise<void> {
    this.#part.remove();
    await removePrepared(this.path);
    this.#prepared = false;
  }

  /** Gives the output its name, and replaces the file that had it. */
  async commit(): Promise<void> {
    await Deno.rename(this.temporaryPath, this.path);
    this.#committed = true;
    // The rename is on disk once the directory is.
    await syncDirectory(dirname(this.path));
    if (this.#prepared) await removePrepared(this.path);
  }

  /**
   * Removes the part, unless the output is committed or in doubt, and releases its lock.
   */
  discard(): void {
    if (!this.#committed && !this.#prepared) this.#part.remove();
    this.#part.close();
  }
}

/**
 * The path that a path leads to. What it names need not exist.
 *
 * @throws {Error} If there are too many links on the way.
 */
export async function followLinks(path: string): Promise<string> {
  for (let links = 0; links <= MAX_LINKS; links++) {
    let next: string;
    try {
      if (!(await Deno.lstat(path)).isSymlink) return path;
      next = await Deno.readLink(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return path;
      throw error;
    }
    path = isAbsolute(next) ? next : join(await Deno.realPath(dirname(path)), next);
  }
  throw new Error("there are too many symbolic links on the way");
}

/** The file that an output will replace, if there is one. */
async function replacedBy(path: string): Promise<Deno.FileInfo | undefined> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    // A part beside "new/" could be written, and would never get that name.
    if (NAMELESS.test(path)) throw new Error("it has no name of a file at its end");
    return undefined;
  }
  if (info.isDirectory) throw new Error("it is a directory");
  // A rename would replace a device or a pipe as well.
  if (!info.isFile) throw new Error("it is not a file");
  return info;
}

/** Gives a part the owner and the group of the file that it will replace. */
async function keepOwner(part: PartFile, { uid, gid }: Deno.FileInfo): Promise<void> {
  const own = await Deno.stat(part.path);
  if (own.uid === uid && own.gid === gid) return;
  try {
    await Deno.chown(part.path, uid, gid);
  } catch (cause) {
    const reason = `it belongs to user ${uid} and group ${gid}, and this user cannot keep that`;
    throw new Error(reason, { cause });
  }
}
