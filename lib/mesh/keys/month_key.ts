import { isBlank } from "./characters.ts";
import type { KeyWriter } from "./key_writer.ts";

const MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(" ");
const MONTH_LETTERS = 3;
/** Makes letters upper-case, and leaves no other byte a letter of a month. */
const UPPER_MASK = 0xdf;

/**
 * Adds the month at the start of a text as its number, as `sort -M` reads it: blanks, then the first
 * three letters of its English name in either case. All else is 0.
 */
export function putMonth(writer: KeyWriter, text: Uint8Array, from: number, to: number): void {
  let at = from;
  while (at < to && isBlank(text[at]!)) at++;
  let month = 0;
  if (to - at >= MONTH_LETTERS) {
    const name = String.fromCharCode(
      ...[0, 1, 2].map((i) => text[at + i]! & UPPER_MASK),
    );
    month = MONTHS.indexOf(name) + 1;
  }
  writer.put(month);
}
