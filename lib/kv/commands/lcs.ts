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

/** The cells or characters that a step works on; it takes about a quarter of a millisecond. */
const STEP_CELLS = 64 * 1024;

/** The number of cells in the table for two strings of these lengths. */
export function lcsCells(a: number, b: number): number {
  return (a + 1) * (b + 1);
}

/**
 * Finds the longest common subsequence by dynamic programming: cell (i, j) of the table is the
 * length of the longest common subsequence of the first i and j characters. Walking back from the
 * last cell yields the characters.
 *
 * The walk only asks whether the cell above is greater than the cell to the left. So the table
 * keeps one bit per cell, and the lengths of one row.
 *
 * @returns The steps of the work, and finally the result.
 */
export function* lcsInSteps(a: string, b: string): Generator<undefined, Lcs, undefined> {
  const width = b.length + 1;
  const isAboveGreater = new Uint8Array(Math.ceil(lcsCells(a.length, b.length) / 8));
  const lengths = new Uint32Array(width);
  let left = STEP_CELLS;
  for (let i = 1; i <= a.length; i++) {
    const code = a.charCodeAt(i - 1);
    let diagonal = 0, before = 0;
    for (let j = 1, at = i * width + 1; j <= b.length; j++, at++) {
      const above = lengths[j]!;
      if (above > before) isAboveGreater[at >>> 3]! |= 1 << (at & 7);
      before = code === b.charCodeAt(j - 1) ? diagonal + 1 : Math.max(above, before);
      lengths[j] = before;
      diagonal = above;
      if (--left === 0) {
        left = STEP_CELLS;
        yield;
      }
    }
  }
  const codes: number[] = [];
  const matches: LcsMatch[] = [];
  let match: LcsMatch | undefined;
  let i = a.length, j = b.length;
  while (i > 0 && j > 0) {
    const at = i * width + j;
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
    } else if ((isAboveGreater[at >>> 3]! >> (at & 7) & 1) === 1) {
      i--;
    } else {
      j--;
    }
    if (--left === 0) {
      left = STEP_CELLS;
      yield;
    }
  }
  let text = "";
  for (let at = codes.length - 1; at >= 0; at--) text += String.fromCharCode(codes[at]!);
  return { text, matches };
}

/** Does all steps of {@linkcode lcsInSteps} in one go. */
export function longestCommonSubsequence(a: string, b: string): Lcs {
  const steps = lcsInSteps(a, b);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
