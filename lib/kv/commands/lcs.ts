/**
 * The longest common subsequence of two strings.
 *
 * @module
 */

/** A run of characters common to both strings; positions are inclusive. */
export interface LcsMatch {
  a: [first: number, last: number];
  b: [first: number, last: number];
  length: number;
}

/** The result of {@linkcode longestCommonSubsequence}. */
export interface Lcs {
  text: string;
  /** The runs that make up the text, last one first. */
  matches: LcsMatch[];
}

/** The number of cells in the table for two strings; each takes four bytes while it exists. */
export function lcsCells(a: string, b: string): number {
  return (a.length + 1) * (b.length + 1);
}

/**
 * Finds the longest common subsequence by dynamic programming: cell (i, j) of the table is the
 * length of the longest common subsequence of the first i and j characters. Walking back from the
 * last cell yields the characters.
 */
export function longestCommonSubsequence(a: string, b: string): Lcs {
  const width = b.length + 1;
  const table = new Uint32Array(lcsCells(a, b));
  for (let i = 1; i <= a.length; i++) {
    const code = a.charCodeAt(i - 1);
    for (let j = 1, at = i * width + 1; j <= b.length; j++, at++) {
      table[at] = code === b.charCodeAt(j - 1)
        ? table[at - width - 1]! + 1
        : Math.max(table[at - width]!, table[at - 1]!);
    }
  }
  const codes: number[] = [];
  const matches: LcsMatch[] = [];
  let match: LcsMatch | undefined;
  let i = a.length, j = b.length;
  while (i > 0 && j > 0) {
    if (a.charCodeAt(i - 1) === b.charCodeAt(j - 1)) {
      codes.push(a.charCodeAt(i - 1));
      i--;
      j--;
      if (match !== undefined && match.a[0] === i + 1 && match.b[0] === j + 1) {
        match.a[0] = i;
        match.b[0] = j;
        match.length++;
      } else {
        matches.push(match = { a: [i, i], b: [j, j], length: 1 });
      }
    } else if (table[(i - 1) * width + j]! > table[i * width + j - 1]!) {
      i--;
    } else {
      j--;
    }
  }
  let text = "";
  for (let at = codes.length - 1; at >= 0; at--) text += String.fromCharCode(codes[at]!);
  return { text, matches };
}
