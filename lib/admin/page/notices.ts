/// <reference lib="dom" />
import { make } from "./dom.ts";

/** How long a notice is shown. */
const NOTICE_MS = 8000;

/** Short messages about the outcome of actions, which screen readers announce. */
export class Notices {
  readonly #box: HTMLElement;
  #timer: number | undefined;

  constructor(box: HTMLElement) {
    this.#box = box;
  }

  /** Shows a message for a while, in place of the last one. */
  say(text: string, kind: "good" | "bad" = "good"): void {
    this.#box.className = `notice ${kind}`;
    this.#box.replaceChildren(make("p", {}, text));
    this.#box.hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#box.hidden = true, NOTICE_MS) as unknown as number;
  }

  /** Waits for an action and shows its outcome or its error. */
  async follow(work: Promise<string>): Promise<void> {
    try {
      this.say(await work);
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), "bad");
    }
  }
}
