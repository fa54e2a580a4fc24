import { writeAll } from "../terminal.ts";

/** A line on the screen. */
export interface Line {
  text: string;
  /** @default {"plain"} */
  look?: "plain" | "bold" | "dim" | "inverse" | "bad";
}

/** The alternate screen without cursor and line wrap, and back. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";

const LOOKS = { plain: "", bold: "1", dim: "2", inverse: "7", bad: "1;31" } as const;

/** The size of a terminal that does not tell its own. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

/** The events of a process that is about to die of an error. */
const FATAL_EVENTS = ["error", "unhandledrejection"] as const;

const encoder = new TextEncoder();

/**
 * The terminal as a screen in raw mode. Disposing of it restores the terminal, and so does an error
 * that nobody catches.
 */
export class Screen implements Disposable {
  readonly #restore = () => this[Symbol.dispose]();
  #entered = true;

  constructor() {
    for (const event of FATAL_EVENTS) addEventListener(event, this.#restore);
    Deno.stdin.setRaw(true);
    this.#write(ENTER);
  }

  /** Its size in characters. */
  get size(): { columns: number; rows: number } {
    try {
      const { columns, rows } = Deno.consoleSize();
      return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return DEFAULT_SIZE;
    }
  }

  /** Shows lines from the top, as many as fit, in place of what was there. */
  draw(lines: readonly Line[]): void {
    const { rows } = this.size;
    const shown = lines.slice(0, rows).map(({ text, look = "plain" }) =>
      LOOKS[look] === "" ? text : `\x1b[${LOOKS[look]}m${text}\x1b[0m`
    );
    // Every row is cleared behind its text: clearing the whole screen first would flicker.
    this.#write(`\x1b[H${shown.join("\x1b[K\r\n")}\x1b[K\x1b[J`);
  }

  #write(text: string): void {
    writeAll(Deno.stdout, encoder.encode(text));
  }

  [Symbol.dispose](): void {
    if (!this.#entered) return;
    this.#entered = false;
    for (const event of FATAL_EVENTS) removeEventListener(event, this.#restore);
    this.#write(LEAVE);
    Deno.stdin.setRaw(false);
  }
}

/** The keys that programs on a screen know by name. */
const NAMED_KEYS: Readonly<Record<string, string>> = {
  "\x1b[C": "right",
  "\x1b[D": "left",
  "\x1b[A": "up",
  "\x1b[B": "down",
  "\x1b[Z": "back",
  "\x1bOC": "right",
  "\x1bOD": "left",
  "\t": "tab",
  "\x03": "interrupt",
  "\x1b": "escape",
};

/** Splits what was read from a keyboard into keys: names, or characters. */
export function keysIn(text: string): string[] {
  // deno-lint-ignore no-control-regex -- escape sequences begin with a control character
  const keys = text.match(/\x1b(?:\[[\d;]*[A-Za-z~]|O[A-Z])|[^]/gu) ?? [];
  return keys.map((key) => NAMED_KEYS[key] ?? key);
}
