/** A key that edits a line. */
export type EditKey =
  | "interrupt"
  | "end of input"
  | "enter"
  | "complete"
  | "backspace"
  | "delete"
  | "erase line"
  | "erase word"
  | "erase rest"
  | "left"
  | "right"
  | "word left"
  | "word right"
  | "home"
  | "end"
  | "older"
  | "newer";

/** A key: one that edits, or the character that it types. */
export type Key = { edit: EditKey } | { character: string };

/** Keys that are one control character: those of readline(3). */
const CONTROLS: Readonly<Record<string, EditKey>> = {
  "\x01": "home",
  "\x02": "left",
  "\x03": "interrupt",
  "\x04": "end of input",
  "\x05": "end",
  "\x06": "right",
  "\b": "backspace",
  "\t": "complete",
  "\n": "enter",
  "\x0b": "erase rest",
  "\r": "enter",
  "\x0e": "newer",
  "\x10": "older",
  "\x15": "erase line",
  "\x17": "erase word",
  "\x7f": "backspace",
};

/** What follows `ESC [` or `ESC O`, according to xterm's control sequences. */
const SEQUENCES: Readonly<Record<string, EditKey>> = {
  "A": "older",
  "B": "newer",
  "C": "right",
  "D": "left",
  "F": "end",
  "H": "home",
  "1~": "home",
  "3~": "delete",
  "4~": "end",
  "7~": "home",
  "8~": "end",
  "1;5C": "word right",
  "1;5D": "word left",
  "1;3C": "word right",
  "1;3D": "word left",
};

/** The letters that follow ESC if Alt is held. */
const WITH_ALT: Readonly<Record<string, EditKey>> = { "b": "word left", "f": "word right" };

/** The longest sequence that can be the one of a key; further characters are dropped. */
const MAX_SEQUENCE_CHARS = 16;

/** Turns the characters that a terminal in raw mode sends into keys. */
export class KeyDecoder {
  /** What has come of an escape sequence, without ESC. */
  #sequence: string | undefined;

  /**
   * Decodes one character.
   *
   * @returns The key, or `undefined` if it is unknown or not complete yet.
   */
  decode(character: string): Key | undefined {
    if (this.#sequence !== undefined) return this.#continue(this.#sequence, character);
    if (character === "\x1b") {
      this.#sequence = "";
      return undefined;
    }
    const edit = CONTROLS[character];
    if (edit !== undefined) return { edit };
    return /\p{Cc}/u.test(character) ? undefined : { character };
  }

  #continue(sequence: string, character: string): Key | undefined {
    if (sequence === "" && (character === "[" || character === "O")) {
      this.#sequence = character;
      return undefined;
    }
    const isLast = sequence === "" || (character >= "@" && character <= "~");
    if (!isLast) {
      if (sequence.length < MAX_SEQUENCE_CHARS) this.#sequence = sequence + character;
      return undefined;
    }
    this.#sequence = undefined;
    const edit = sequence === "" ? WITH_ALT[character] : SEQUENCES[sequence.slice(1) + character];
    return edit === undefined ? undefined : { edit };
  }
}
