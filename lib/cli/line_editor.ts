/** The longest line that can be typed, in characters; more is not taken. */
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

/** To the start of the row, and wipe it. */
const CLEAR_ROW = "\r\x1b[K";

/** Characters that take two columns, and those that take none. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const NO_WIDTH = /\p{M}|\u200d/u;

/** The terminal that a {@linkcode LineEditor} draws on. */
export interface EditorTerminal {
  /** Writes to it; returns whether it is still there. */
  write(bytes: Uint8Array): boolean;
  /** How many characters fit into a row. */
  columns(): number;
}

/**
 * A prompt, and the line that is typed behind it, on the last row of a terminal in raw mode.
 * What is shown meanwhile goes above it: the terminal's own line editing cannot do that, for it
 * does not tell what has been typed.
 *
 * It knows the keys that a terminal knows by itself: backspace, Ctrl-U, Ctrl-W, Enter; Ctrl-D on
 * an empty line and Ctrl-C end the input. Cursor keys do nothing.
 */
export class LineEditor {
  /** From keys to texts, each a line with its newline. */
  readonly keys: TransformStream<string, string>;

  readonly #terminal: EditorTerminal;
  readonly #prompt: string;
  readonly #encoder = new TextEncoder();
  /** The characters that have been typed. */
  #line: string[] = [];
  /** Whether what was shown last has not come to the end of its line. */
  #inLine = false;
  /** Where in an escape sequence the keys are. */
  #escape: "none" | "begun" | "control" | "single" = "none";

  /** @param prompt What stands before what is typed; one column a character. */
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
   * Shows bytes above the prompt, exactly as they are.
   *
   * @returns Whether the terminal is still there.
   */
  show(bytes: Uint8Array): boolean {
    if (!this.#inLine) this.#write(CLEAR_ROW);
    const isThere = this.#terminal.write(bytes);
    this.#inLine = bytes.at(-1) !== 10;
    // A prompt behind half a line would end up in the middle of it.
    if (!this.#inLine) this.#draw();
    return isThere;
  }

  /** Wipes the prompt away. */
  close(): void {
    this.#write(this.#inLine ? "\n" : CLEAR_ROW);
  }

  /** @returns Whether there is more input to come. */
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

  /** Goes over what a cursor or function key sends: `ESC O x` or `ESC [ … x`. */
  #skipEscape(key: string): void {
    if (this.#escape === "begun") {
      this.#escape = key === "[" ? "control" : key === "O" ? "single" : "none";
    } else if (this.#escape === "single" || (key >= "@" && key <= "~")) {
      this.#escape = "none";
    }
  }

  /** Draws the prompt and as much of the end of the line as fits into the row. */
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

/** How many columns a character takes. */
function widthOf(character: string): number {
  return NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}
