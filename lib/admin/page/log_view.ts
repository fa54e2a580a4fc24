/// <reference lib="dom" />
import { byId, isAtEnd, make } from "./dom.ts";
import { formatTime } from "./format.ts";
import { LEVELS, parseLogLine } from "./log_line.ts";

/** Lines kept; older ones are dropped. */
const MAX_LINES = 500;

/** The log section of the page: the most recent lines, with filters. */
export class LogView {
  readonly #box = byId("log");
  readonly #level = byId<HTMLSelectElement>("log-level");
  readonly #filter = byId<HTMLInputElement>("log-filter");

  constructor() {
    for (const control of [this.#level, this.#filter]) {
      control.addEventListener("input", () => this.#apply());
    }
  }

  /** Appends lines. */
  add(lines: readonly string[]): void {
    if (lines.length === 0) return;
    const follow = isAtEnd(this.#box);
    const elements = lines.slice(-MAX_LINES).map((line) => this.#lineElement(line));
    this.#box.append(...elements);
    while (this.#box.childElementCount > MAX_LINES) this.#box.firstElementChild!.remove();
    if (follow) this.#box.scrollTop = this.#box.scrollHeight;
  }

  #lineElement(line: string): HTMLElement {
    const { timeMs, level, part, message, rest } = parseLogLine(line);
    const element = make(
      "p",
      { class: level, "data-level": level },
      make("span", { class: "time" }, timeMs === undefined ? "" : formatTime(timeMs)),
      " ",
      make("span", { class: "level" }, level),
      " ",
      make("span", { class: `part ${part}` }, part),
      ` ${message} `,
      make("span", { class: "rest" }, rest),
    );
    element.hidden = !this.#shows(element);
    return element;
  }

  #shows(element: HTMLElement): boolean {
    const level = element.dataset["level"] ?? "info";
    const text = this.#filter.value.trim().toLowerCase();
    return LEVELS.indexOf(level) >= LEVELS.indexOf(this.#level.value) &&
      (text === "" || element.textContent!.toLowerCase().includes(text));
  }

  #apply(): void {
    for (const element of this.#box.children) {
      (element as HTMLElement).hidden = !this.#shows(element as HTMLElement);
    }
    this.#box.scrollTop = this.#box.scrollHeight;
  }
}
