/**
 * Finds the word that a misspelled one was probably meant to be.
 *
 * @param word The word as written; case is ignored.
 * @param known The possible words.
 * @returns The known word with the fewest edits, if they are at most two or a third of its length.
 */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least && distance <= Math.max(2, candidate.length / 3)) {
      nearest = candidate;
      least = distance;
    }
  }
  return nearest;
}

/** The Levenshtein distance: how many characters must be inserted, deleted or replaced. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
