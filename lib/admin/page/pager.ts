/// <reference lib="dom" />
import { make, setText } from "./dom.ts";
import { formatCount } from "./format.ts";

/** Buttons that page through a long list. */
export class Pager {
  readonly root = make("div", { class: "pager" });
  readonly #before: HTMLButtonElement;
  readonly #after: HTMLButtonElement;
  readonly #range = make("span", { class: "hint", role: "status" });
  #from = 0;

  /**
   * @param size How many items are on a page.
   * @param what What the items are, for screen readers.
   * @param turned Called when the user turns to another page, with the index of its first item.
   */
  constructor(size: number, what: string, turned: (from: number) => void) {
    const button = (text: string, step: number) => {
      const element = make("button", { type: "button", "aria-label": `${text} ${what}` }, text);
      element.addEventListener("click", () => turned(Math.max(0, this.#from + step)));
      return element;
    };
    this.#before = button("Previous", -size);
    this.#after = button("Next", size);
    this.root.append(this.#before, this.#range, this.#after);
  }

  /**
   * Shows where the list stands.
   *
   * @param from The index of the first item shown.
   * @param shown How many items are shown.
   * @param total How many there are, and how many of them can be listed.
   */
  update(from: number, shown: number, total: { items: number; listed: number }): void {
    this.#from = from;
    const all = Math.max(total.items, from + shown);
    const end = Math.min(all, total.listed);
    setText(
      this.#range,
      shown === 0 ? "" : `${from + 1}–${from + shown} of ${formatCount(all)}` +
        (all > end ? ` (only the first ${formatCount(end)} can be listed)` : ""),
    );
    this.#before.disabled = from === 0;
    this.#after.disabled = from + shown >= end || shown === 0;
    this.root.hidden = from === 0 && this.#after.disabled;
  }
}
