import assert from "node:assert/strict";
import { ProgressBar, type ProgressState } from "../../lib/cli/progress_bar.ts";
import { within } from "../support/within.ts";

const BAR_CHARS = 30;

/** Collects what a progress bar draws. */
class Screen {
  drawn = "";
  onDraw = () => {};
  readonly #decoder = new TextDecoder();

  readonly write = (bytes: Uint8Array) => {
    this.drawn += this.#decoder.decode(bytes);
    this.onDraw();
  };

  /** What remains visible: the text after the last clearing of each line. */
  get text(): string {
    const lines = this.drawn.split("\n");
    return lines.map((line) => line.slice(line.lastIndexOf("\x1b[K") + 3)).join("\n");
  }
}

const format = ({ time, bar, value, max }: ProgressState) => `${time} [${bar}] ${value}/${max}`;

Deno.test("ProgressBar: shows the state when it stops", () => {
  const screen = new Screen();
  const bar = new ProgressBar({ max: 2, format, write: screen.write });
  bar.value++;
  bar.stop();
  const half = BAR_CHARS / 2;
  assert.equal(screen.text, `00:00 [${"#".repeat(half)}${"-".repeat(half)}] 1/2\n`);
});

Deno.test("ProgressBar: redraws every second", async () => {
  const screen = new Screen();
  const bar = new ProgressBar({ max: 100, format, write: screen.write });
  bar.max = 200;
  bar.value = 50;
  const drawn = new Promise<void>((resolve) => screen.onDraw = resolve);
  await within(60_000, "the second drawing", drawn);
  assert.match(screen.text, /^00:\d\d \[#{7}-{23}\] 50\/200$/);
  bar.stop();
});

Deno.test("ProgressBar: is full at more than the maximum, and empty without one", () => {
  for (const [value, max, want] of [[20, 10, "#"], [0, 0, "-"]] as const) {
    const screen = new Screen();
    const bar = new ProgressBar({ max, format, write: screen.write });
    bar.value = value;
    bar.stop();
    assert.ok(screen.text.includes(`[${want.repeat(BAR_CHARS)}]`), screen.text);
  }
});

Deno.test("ProgressBar: clears its line if asked to", () => {
  const screen = new Screen();
  new ProgressBar({ max: 10, format, clear: true, write: screen.write }).stop();
  assert.notEqual(screen.drawn, "");
  assert.equal(screen.text, "");
});

Deno.test("ProgressBar: survives the end of its terminal", () => {
  const write = () => {
    throw new Error("the terminal is gone");
  };
  const bar = new ProgressBar({ max: 10, format, write });
  bar.value = 10;
  bar.stop();
});
