/** A column of a table. */
export interface Column {
  /** Its title. */
  head: string;
  /** Whether its cells are numbers, which end at the same place. @default {false} */
  right?: boolean;
  /**
   * If the table is too wide, columns are left out, those with the lowest number first; those without
   * one stay.
   */
  rank?: number;
}

/** The space between two columns. */
const GAP = "  ";

/**
 * Lays out a table. Its last column is as wide as it needs to be, and every line is cut at `width`.
 *
 * @param rows The cells of each row, in the order of the columns.
 * @param width The width in characters.
 * @returns The line of titles, and one line for each row.
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const lines = [columns.map(({ head }) => head), ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((cells) => (cells[i] ?? "").length)));
  const shown = new Set(columns.keys());
  const needed = () => {
    const all = [...shown];
    return all.reduce((sum, i) => sum + widths[i]!, 0) + GAP.length * (all.length - 1);
  };
  const dropped = [...columns.entries()].filter(([, { rank }]) => rank !== undefined)
    .sort(([, a], [, b]) => a.rank! - b.rank!);
  for (const [i] of dropped) {
    if (needed() <= width) break;
    shown.delete(i);
  }
  return lines.map((cells) =>
    [...shown].map((i) => {
      const cell = cells[i] ?? "";
      return columns[i]!.right ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
    }).join(GAP).trimEnd().slice(0, width)
  );
}
