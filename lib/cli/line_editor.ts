/** The longest line that can be typed, in characters; further ones are ignored. */
const MAX_LINE_CHARS = 64 * 1024;

const KEYS = {
  INTERRUPT: "\x03",
  END_OF_INPUT: "\x04",
  BACKSPACE: "\b",
  NEWLINE: "\n",
  ENTER: "\r",
  KILL: "\x15",
  ERASE_WORD: "\x17",
  ESCAPE: "\x1b",
  DELETE: "\x7f",
} as const;

/** To the start of the row, and clear it. */
const CLEAR_ROW = "\r\x1b[K";

/** Characters that occupy two columns, and those that occupy none. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const NO_WIDTH = /\p{M}|\u200d/u;

/** The terminal that a {@linkcode LineEditor} draws on. */
export interface EditorTerminal {
  /** Writes bytes; returns whether the terminal still exists. */
  write(bytes: Uint8Array): boolean;
  /** The width of a row in columns. */
  columns(): number;
}

/**
 * A prompt and the line being typed, on the last row of a terminal in raw mode. Output appears above
 * that row. The terminal's own line editing cannot do this, because it does not reveal the unfinished
 * line.
 *
 * The keys are those of a terminal: backspace, Ctrl-U, Ctrl-W and Enter; Ctrl-C ends the input, and
 * so does Ctrl-D on an empty line. Cursor keys are ignored.
 */
export class LineEditor {
  /** Turns keys into lines, each with its newline. */
  readonly keys: TransformStream<string, string>;

  readonly #terminal: EditorTerminal;
  readonly #prompt: string;
  readonly #encoder = new TextEncoder();
  /** The characters of the line being typed. */
  #line: string[] = [];
  /** Whether the last output stopped in the middle of a line. */
  #inLine = false;
  /** The position within an escape sequence. */
  #escape: "none" | "begun" | "control" | "single" = "none";

  /**
   * @param terminal Where to draw.
   * @param prompt Precedes the line; each of its characters must occupy one column.
   */
  constructor(terminal: EditorTerminal, prompt: string) {
    this.#terminal = terminal;
    this.#prompt = prompt;
    this.keys = new TransformStream({
      start: () => this.#draw(),
      transform: (keys, controller) => {
        for (const key of keys) {
          if (!this.#press(key, controller)) return controller.terminate();
        }
        this.#draw();
      },
    });
  }

  /**
   * Shows bytes above the prompt, unchanged.
   *
   * @returns Whether the terminal still exists.
   */
  show(bytes: Uint8Array): boolean {
    if (!this.#inLine) this.#write(CLEAR_ROW);
    const isThere = this.#terminal.write(bytes);
    this.#inLine = bytes.at(-1) !== 10;
    // In the middle of a line the prompt would become part of it.
    if (!this.#inLine) this.#draw();
    return isThere;
  }

  /** Clears the prompt. */
  close(): void {
    this.#write(this.#inLine ? "\n" : CLEAR_ROW);
  }

  /** Handles one key; returns whether the input continues. */
  #press(key: string, typed: TransformStreamDefaultController<string>): boolean {
    if (this.#escape !== "none") {
      this.#skipEscape(key);
      return true;
    }
    switch (key) {
      case KEYS.INTERRUPT:
        return false;
      case KEYS.END_OF_INPUT:
        return this.#line.length > 0;
      case KEYS.ENTER:
      case KEYS.NEWLINE:
        this.#draw();
        this.#write("\n");
        typed.enqueue(`${this.#line.join("")}\n`);
        this.#line = [];
        return true;
      case KEYS.BACKSPACE:
      case KEYS.DELETE:
        this.#line.pop();
        return true;
      case KEYS.KILL:
        this.#line = [];
        return true;
      case KEYS.ERASE_WORD:
        while (this.#line.at(-1) === " ") this.#line.pop();
        while (this.#line.length > 0 && this.#line.at(-1) !== " ") this.#line.pop();
        return true;
      case KEYS.ESCAPE:
        this.#escape = "begun";
        return true;
    }
    if (!/\p{Cc}/u.test(key) && this.#line.length < MAX_LINE_CHARS) this.#line.push(key);
    return true;
  }

  /** Skips the sequence of a cursor or function key: `ESC O x` or `ESC [ … x`. */
  #skipEscape(key: string): void {
    if (this.#escape === "begun") {
      this.#escape = key === "[" ? "control" : key === "O" ? "single" : "none";
    } else if (this.#escape === "single" || (key >= "@" && key <= "~")) {
      this.#escape = "none";
    }
  }

  /** Draws the prompt and as much of the line's end as fits into the row. */
  #draw(): void {
    const newRow = this.#inLine ? "\n" : "";
    this.#inLine = false;
    let left = this.#terminal.columns() - this.#prompt.length - 1;
    let from = this.#line.length;
    while (from > 0 && (left -= widthOf(this.#line[from - 1]!)) >= 0) from--;
    this.#write(newRow + CLEAR_ROW + this.#prompt + this.#line.slice(from).join(""));
  }

  #write(text: string): void {
    this.#terminal.write(this.#encoder.encode(text));
  }
}

/** How many columns a character occupies. */
function widthOf(character: string): number {
  return NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}
