/**
 * The line of each key of a TOML file, as far as a look at single lines can tell: headers of
 * sections and keys at the start of a line. The parser knows no positions, and a message that
 * lacks a line is still a message.
 *
 * @param text The file.
 * @returns Line numbers, from 1, by key path.
 */
export function keyLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  let section = "";
  for (const [index, line] of text.split("\n").entries()) {
    const header = /^\s*\[\s*([\w.\- "']+?)\s*\]/.exec(line);
    const key = /^\s*([\w-]+(?:\s*\.\s*[\w-]+)*)\s*=/.exec(line);
    if (header !== null) section = header[1]!.replaceAll(/[\s"']/g, "");
    else if (key === null) continue;
    const name = header !== null ? section : [section, key![1]!.replaceAll(/\s/g, "")]
      .filter((part) => part !== "").join(".");
    if (!lines.has(name)) lines.set(name, index + 1);
  }
  return lines;
}
