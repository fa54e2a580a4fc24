/**
 * Writes a table: the first column to the left, all others to the right.
 *
 * @param head The names of the columns.
 * @param rows As many cells each.
 */
export function formatTable(head: string[], rows: string[][]): string {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: string[]) => {
    const padded = cells.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
    );
    return `| ${padded.join(" | ")} |\n`;
  };
  const rule = widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`);
  return line(head) + line(rule) + rows.map(line).join("");
}

/** A number as people read it: 12, 3.4, 56.7 k, 8.9 M. */
export function formatCount(count: number): string {
  if (count >= 999_500) return `${(count / 1e6).toFixed(2)} M`;
  if (count >= 9_995) return `${(count / 1e3).toFixed(0)} k`;
  if (count >= 999.5) return `${(count / 1e3).toFixed(1)} k`;
  return count >= 10 ? count.toFixed(0) : count.toFixed(1);
}
