import type { OutputTarget } from "../sort/bucket_output.ts";
import { compress } from "../sort/compression.ts";
import type { PreparedNote } from "./prepared_note.ts";

/** What a sort writes to. It gets its name when everything is written, and before that it is hidden. */
export interface Output {
  /** What people call it. */
  readonly path: string;
  /** The files to write to, in the order of the entries. */
  readonly targets: readonly OutputTarget[];
  /** Whether it is complete, and it is not known whether it becomes the output. */
  readonly inDoubt: boolean;
  /** Makes it ready to be written to, once all nodes have claimed their outputs. */
  begin(): Promise<void>;
  /** Waits until everything written is on disk. */
  sync(): Promise<void>;
  /** Promises that it will get its name if all nodes are as far; the promise survives a crash. */
  prepare(note: PreparedNote): Promise<void>;
  /** Takes back the promise and removes what was written. */
  abandon(): Promise<void>;
  /** Gives it its name. */
  commit(): Promise<void>;
  /** Removes what was written, unless it is committed or in doubt, and releases the output. */
  discard(): void;
}

/** Writes something to compressed files that have got no entries: an empty file is not a valid one. */
export async function completeEmpty(targets: readonly OutputTarget[]): Promise<void> {
  for (const { path, compression } of targets) {
    if (path === undefined || compression === undefined) continue;
    if ((await Deno.stat(path)).size > 0) continue;
    await Deno.writeFile(path, compress(new Uint8Array(0), compression), { create: false });
  }
}

/** The error of an output that cannot be written. */
export function cannotWrite(path: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`Cannot write "${path}": ${reason}`, { cause });
}
