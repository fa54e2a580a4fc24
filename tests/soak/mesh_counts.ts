/** Lines to count, and what counting them gives. */

const WORDS = 500;

/** How often a word occurs. */
function countOf(word: number): number {
  return 1 + word % 37;
}

function wordAt(index: number): string {
  return `word ${String(index).padStart(6, "0")}`;
}

/** Writes a file in which each word is on several lines, not next to each other. */
export async function writeCountInput(path: string): Promise<void> {
  let text = "";
  for (let round = 0; round < 37; round++) {
    for (let word = 0; word < WORDS; word++) {
      if (round < countOf(word)) text += `${wordAt(word)}\n`;
    }
  }
  await Deno.writeTextFile(path, text);
}

/** What COUNT writes for that file: each line with its count, as `uniq -c` has it. */
export function countedLines(): string {
  return Array.from(
    { length: WORDS },
    (_, word) => `${String(countOf(word)).padStart(7)} ${wordAt(word)}\n`,
  ).join("");
}
