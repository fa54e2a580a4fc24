import { type EditKey, KeyDecoder } from "./key_decoder.ts";
import { LineHistory } from "./line_history.ts";

/** The longest line that can be typed, in characters; further ones are ignored. */
const MAX_LINE_CHARS = 64 * 1024;

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

/** Finds the words that the line being typed, up to the cursor, may become. */
export type Complete = (typed: string) => readonly string[];

/**
 * A prompt and the line being typed, on the last row of a terminal in raw mode. Output appears above
 * that row. The terminal's own line editing cannot do this, because it does not reveal the unfinished
 * line; nor can `node:readline`, which does not know that output has moved its row.
 *
 * The keys are those of a shell: see `key_decoder.ts`. Ctrl-C ends the input, and so does Ctrl-D on
 * an empty line.
 */
export class LineEditor {
  /** Turns keys into lines, each with its newline. */
  readonly keys: TransformStream<string, string>;

  readonly #terminal: EditorTerminal;
  readonly #prompt: string;
  readonly #encoder = new TextEncoder();
  readonly #complete: Complete;
  readonly #decoder = new KeyDecoder();
  readonly #history = new LineHistory();
  /** The characters of the line being typed. */
  #line: string[] = [];
  /** How many of them precede the cursor. */
  #cursor = 0;
  /** Whether the last output stopped in the middle of a line. */
  #inLine = false;

  /**
   * @param terminal Where to draw.
   * @param prompt Precedes the line; each of its characters must occupy one column.
   * @param complete Completes the line at a press of Tab. @default {nothing}
   */
  constructor(terminal: EditorTerminal, prompt: string, complete: Complete = () => []) {
    this.#complete = complete;
    this.#terminal = terminal;
    this.#prompt = prompt;
    this.keys = new TransformStream({
      start: () => this.#draw(),
      transform: (keys, controller) => {
        for (const key of keys) {
          if (!this.#press(key, controller)) return controller.terminate();
        }
        // Within pasted text, a tab is not a wish.
        if (keys.endsWith("\t")) this.#completeWord();
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

  /** Handles one character; returns whether the input continues. */
  #press(character: string, typed: TransformStreamDefaultController<string>): boolean {
    const key = this.#decoder.decode(character);
    if (key === undefined) return true;
    if ("character" in key) {
      this.#insert(key.character);
      return true;
    }
    switch (key.edit) {
      case "interrupt":
        return false;
      case "end of input":
        return this.#line.length > 0;
      case "enter":
        this.#draw();
        this.#write("\n");
        typed.enqueue(`${this.#text()}\n`);
        this.#history.add(this.#text());
        this.#replace("");
        return true;
      case "older":
        this.#replace(this.#history.older(this.#text()));
        return true;
      case "newer":
        this.#replace(this.#history.newer());
        return true;
      default:
        this.#edit(key.edit);
        return true;
    }
  }

  #text(): string {
    return this.#line.join("");
  }

  #insert(character: string): void {
    if (this.#line.length >= MAX_LINE_CHARS) return;
    this.#line.splice(this.#cursor++, 0, character);
  }

  /** Shows another line, if there is one, with the cursor at its end. */
  #replace(text: string | undefined): void {
    if (text === undefined) return;
    this.#line = [...text];
    this.#cursor = this.#line.length;
  }

  /** Moves the cursor, or erases between it and where it would move to. */
  #edit(key: EditKey): void {
    const end = this.#line.length;
    switch (key) {
      case "left":
        this.#cursor = this.#before();
        break;
      case "right":
        this.#cursor = this.#after();
        break;
      case "word left":
        this.#cursor = this.#wordBefore();
        break;
      case "word right":
        while (this.#line[this.#cursor] === " ") this.#cursor++;
        while (this.#cursor < end && this.#line[this.#cursor] !== " ") this.#cursor++;
        break;
      case "home":
        this.#cursor = 0;
        break;
      case "end":
        this.#cursor = end;
        break;
      case "backspace":
        this.#erase(Math.max(0, this.#cursor - 1), this.#cursor);
        break;
      case "delete":
        this.#erase(this.#cursor, this.#after());
        break;
      case "erase word":
        this.#erase(this.#wordBefore(), this.#cursor);
        break;
      case "erase line":
        this.#erase(0, this.#cursor);
        break;
      case "erase rest":
        this.#erase(this.#cursor, end);
        break;
    }
  }

  #erase(from: number, to: number): void {
    this.#line.splice(from, to - from);
    this.#cursor = from;
  }

  /** The position before the character at the left of the cursor and the marks on it. */
  #before(): number {
    let at = this.#cursor;
    do at--; while (at > 0 && widthOf(this.#line[at]!) === 0);
    return Math.max(0, at);
  }

  /** The position behind the character at the cursor and the marks on it. */
  #after(): number {
    let at = this.#cursor;
    do at++; while (at < this.#line.length && widthOf(this.#line[at]!) === 0);
    return Math.min(this.#line.length, at);
  }

  #wordBefore(): number {
    let at = this.#cursor;
    while (at > 0 && this.#line[at - 1] === " ") at--;
    while (at > 0 && this.#line[at - 1] !== " ") at--;
    return at;
  }

  /** Types what all completions have in common, or shows them if that is nothing new. */
  #completeWord(): void {
    const typed = this.#line.slice(0, this.#cursor).join("");
    const words = this.#complete(typed);
    if (words.length === 0) return;
    const common = words.length === 1 ? `${words[0]} ` : commonStart(words);
    if (common.length > typed.length) {
      this.#erase(0, this.#cursor);
      for (const character of common) this.#insert(character);
    } else {
      const newRow = this.#inLine ? "\n" : "";
      this.show(this.#encoder.encode(`${newRow}${words.join("  ")}\n`));
    }
  }

  /** Draws the prompt and as much of the line as fits into the row: its end, or what is at the cursor. */
  #draw(): void {
    const newRow = this.#inLine ? "\n" : "";
    this.#inLine = false;
    const line = this.#line;
    const columns = this.#terminal.columns() - this.#prompt.length - 1;
    const from = Math.min(
      this.#startOfLast(columns, line.length),
      this.#startOfLast(columns / 2, this.#cursor),
    );
    let to = from;
    let behind = 0;
    for (let left = columns; to < line.length; to++) {
      const width = widthOf(line[to]!);
      if ((left -= width) < 0) break;
      if (to >= this.#cursor) behind += width;
    }
    const back = behind > 0 ? `\x1b[${behind}D` : "";
    this.#write(newRow + CLEAR_ROW + this.#prompt + line.slice(from, to).join("") + back);
  }

  /** The first of the characters before `end` that fit into some columns. */
  #startOfLast(columns: number, end: number): number {
    let from = end;
    while (from > 0 && (columns -= widthOf(this.#line[from - 1]!)) >= 0) from--;
    return from;
  }

  #write(text: string): void {
    this.#terminal.write(this.#encoder.encode(text));
  }
}

/** How many columns a character occupies. */
function widthOf(character: string): number {
  return NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

/** What some words, at least one, all begin with. */
function commonStart(words: readonly string[]): string {
  let start = words[0]!;
  for (const word of words) while (!word.startsWith(start)) start = start.slice(0, -1);
  return start;
}
