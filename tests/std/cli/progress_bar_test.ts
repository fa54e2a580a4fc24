import assert from "node:assert/strict";
import { ProgressBar } from "@std/cli/unstable-progress-bar";

/** What a progress bar writes to. */
class Screen {
  readonly drawn: string[] = [];
  closed = false;
  readonly #decoder = new TextDecoder();
  readonly writable = new WritableStream<Uint8Array>({
    write: (bytes) => void this.drawn.push(this.#decoder.decode(bytes)),
    close: () => void (this.closed = true),
  });

  /** What can be seen: of each line what was drawn last. */
  get text(): string {
    const lines = this.drawn.join("").split("\n");
    return lines.map((line) => line.slice(line.lastIndexOf("\x1b[K") + 3)).join("\n");
  }
}

Deno.test("ProgressBar: draws how far it is when it stops", async () => {
  const screen = new Screen();
  const bar = new ProgressBar({ writable: screen.writable, max: 2048 });
  bar.value += 1024;
  await bar.stop();
  assert.equal(screen.text, `[00:00] [${"#".repeat(25)}${"-".repeat(25)}] [1.00/2.00 KiB]\n`);
  assert.equal(screen.closed, false);
});

Deno.test("ProgressBar: draws again every second until it stops", async () => {
  const screen = new Screen();
  const bar = new ProgressBar({ writable: screen.writable, max: 100 * 2 ** 20, value: 0 });
  bar.max = 200 * 2 ** 20;
  bar.value = 50 * 2 ** 20;
  const endMs = performance.now() + 10_000;
  while (!screen.text.includes("[50.00/200.00 MiB]")) {
    assert.ok(performance.now() < endMs, `only ${JSON.stringify(screen.drawn)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.match(screen.text, /^\[00:0\d\] \[############--/);
  await bar.stop();
});

Deno.test("ProgressBar: more than all is all", async () => {
  const screen = new Screen();
  const bar = new ProgressBar({ writable: screen.writable, max: 10, value: 20 });
  await bar.stop();
  assert.match(screen.text, new RegExp(`\\[${"#".repeat(50)}\\]`));
});

Deno.test("ProgressBar: is wiped away if asked, and closes what it writes to if asked", async () => {
  const screen = new Screen();
  const options = { writable: screen.writable, max: 10, clear: true, keepOpen: false };
  const bar = new ProgressBar(options);
  await bar.stop();
  assert.equal(screen.text, "");
  assert.equal(screen.closed, true);
});

Deno.test("ProgressBar: its parts can be changed", async () => {
  const screen = new Screen();
  const bar = new ProgressBar({
    writable: screen.writable,
    max: 4,
    value: 1,
    barLength: 8,
    fillChar: "=",
    emptyChar: " ",
  });
  await bar.stop();
  assert.match(screen.text, /\[== {6}\]/);
});

Deno.test("ProgressBar: goes on when nobody can see it any more", async () => {
  const writable = new WritableStream<Uint8Array>({
    write: () => Promise.reject(new Error("the terminal is gone")),
  });
  const bar = new ProgressBar({ writable, max: 10 });
  bar.value = 10;
  await bar.stop();
});
