/// <reference lib="dom" />
import { make } from "./dom.ts";

/** How long a notice stays. */
const NOTICE_MS = 8000;

/** Short sentences on what has happened; screen readers say them. */
export class Notices {
  readonly #box: HTMLElement;
  #timer: number | undefined;

  constructor(box: HTMLElement) {
    this.#box = box;
  }

  /** Says something for a while. */
  say(text: string, kind: "good" | "bad" = "good"): void {
    this.#box.className = `notice ${kind}`;
    this.#box.replaceChildren(make("p", {}, text));
    this.#box.hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#box.hidden = true, NOTICE_MS) as unknown as number;
  }

  /** Waits for something to be done, and says what it came to. */
  async follow(work: Promise<string>): Promise<void> {
    try {
      this.say(await work);
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), "bad");
    }
  }
}
