import type { FilePart } from "../sort/sort_messages.ts";
import type { SortThread } from "../sort/sort_pool.ts";

/** An input of this node. */
export interface Input {
  path: string;
  /** Its size in bytes. */
  bytes: number;
  /** Where its entries begin, behind a header. */
  start: number;
}

/**
 * Divides an input into equal parts, one for each thread. An entry belongs to the part in which it
 * begins.
 *
 * @param unit The size of a record, or 1 for lines.
 */
export function divideInput(
  { path, bytes, start }: Input,
  { parts, unit }: { parts: number; unit: number },
): FilePart[] {
  const units = (bytes - start) / unit;
  const at = (part: number) => start + Math.floor(part * units / parts) * unit;
  return Array.from({ length: parts }, (_, i) => ({
    path,
    size: bytes,
    start: at(i),
    end: at(i + 1),
  }));
}

/**
 * Finds out which parts of a file of CSV begin within quotes. The threads share the work of reading
 * the whole file; a single thread has nothing to find out.
 */
export async function markQuoted(
  parts: FilePart[],
  threads: readonly Pick<SortThread, "countQuotes">[],
): Promise<void> {
  if (parts.length < 2) return;
  const counts = await Promise.all(parts.map((part, i) => threads[i]!.countQuotes(part)));
  let quoted = false;
  for (const [i, part] of parts.entries()) {
    part.quoted = quoted;
    if (counts[i]! % 2 === 1) quoted = !quoted;
  }
}
