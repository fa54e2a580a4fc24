/**
 * Formats a Markdown table; the first column is left-aligned, the others right-aligned.
 *
 * @param head The names of the columns.
 * @param rows As many cells each as `head` has.
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

/** Formats a number in short form: "12", "3.4", "57 k", "8.90 M". */
export function formatCount(count: number): string {
  if (count >= 999_500) return `${(count / 1e6).toFixed(2)} M`;
  if (count >= 9_995) return `${(count / 1e3).toFixed(0)} k`;
  if (count >= 999.5) return `${(count / 1e3).toFixed(1)} k`;
  return count >= 10 ? count.toFixed(0) : count.toFixed(1);
}
