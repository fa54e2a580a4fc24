/**
 * Finds the line of each key of a TOML file. The parser reports no positions, so this looks for
 * section headers and for keys at the start of a line. The sections of a list, such as
 * `[[task.schedule]]`, are numbered from 0. It misses keys inside inline tables; a message without a
 * line number is still useful.
 *
 * @param text The content of the file.
 * @returns Line numbers, counted from 1, by key path.
 */
export function keyLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  const lengths = new Map<string, number>();
  let section = "";
  for (const [index, line] of text.split("\n").entries()) {
    const header = /^\s*(\[?)\[\s*([\w.\- "']+?)\s*\]/.exec(line);
    const key = /^\s*([\w-]+(?:\s*\.\s*[\w-]+)*)\s*=/.exec(line);
    if (header !== null) {
      section = header[2]!.replaceAll(/[\s"']/g, "");
      if (header[1] !== "") {
        const place = lengths.get(section) ?? 0;
        lengths.set(section, place + 1);
        section = `${section}.${place}`;
      }
    } else if (key === null) continue;
    const name = header !== null ? section : [section, key![1]!.replaceAll(/\s/g, "")]
      .filter((part) => part !== "").join(".");
    if (!lines.has(name)) lines.set(name, index + 1);
  }
  return lines;
}
