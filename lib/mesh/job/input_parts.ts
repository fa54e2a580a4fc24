import type { FilePart, InputFile } from "../sort/sort_messages.ts";
import type { SortThread } from "../sort/sort_pool.ts";

/**
 * Divides an input into equal parts, one for each thread. Each may reach over several files. An entry
 * belongs to the part in which it begins.
 *
 * @param unit The size of a record, or 1 for lines.
 */
export function divideInput(
  files: readonly InputFile[],
  { parts, unit }: { parts: number; unit: number },
): FilePart[][] {
  const units = files.reduce((sum, { size, start }) => sum + (size - start) / unit, 0);
  const divided: FilePart[][] = Array.from({ length: parts }, () => []);
  let part = 0;
  let end = Math.floor(units / parts) * unit;
  // What the files before the current one have of all entries.
  let before = 0;
  for (const file of files) {
    const after = before + file.size - file.start;
    for (let from = before; from < after;) {
      while (from >= end) end = Math.floor((++part + 1) * units / parts) * unit;
      const to = Math.min(after, end);
      const shift = file.start - before;
      divided[part]!.push({ ...file, start: shift + from, end: shift + to });
      from = to;
    }
    before = after;
  }
  return divided;
}

/**
 * Finds out which parts of files of CSV begin within quotes. Only the last file of a thread can go on
 * with the next thread, so each reads at most that part.
 */
export async function markQuoted(
  divided: readonly FilePart[][],
  threads: readonly Pick<SortThread, "countQuotes">[],
): Promise<void> {
  const counts = await Promise.all(divided.map((parts, i) => {
    const last = parts.at(-1);
    return last && last.end < last.size ? threads[i]!.countQuotes(last) : 0;
  }));
  let quoted = false;
  for (const [i, parts] of divided.entries()) {
    if (parts.length === 0) continue;
    const [first, last] = [parts[0]!, parts.at(-1)!];
    first.quoted = quoted;
    // The quotes of a file are in pairs, or its last record does not end.
    if (last !== first || last.end === last.size) quoted = false;
    if (counts[i]! % 2 === 1) quoted = !quoted;
  }
}
