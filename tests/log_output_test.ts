import assert from "node:assert/strict";
import { LogOutput, type LogOutputOptions } from "../lib/log_output.ts";
import { within } from "./support/within.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A reader that takes what is written only when the test lets it. */
class Reader {
  text = "";
  #writes: { bytes: Uint8Array; done: (count: number) => void; fail: (error: Error) => void }[] =
    [];
  #arrived = Promise.withResolvers<void>();
  #flows = false;

  write = (bytes: Uint8Array): Promise<number> => {
    if (this.#flows) {
      this.text += decoder.decode(bytes);
      return Promise.resolve(bytes.length);
    }
    const { promise, resolve: done, reject: fail } = Promise.withResolvers<number>();
    this.#writes.push({ bytes, done, fail });
    this.#arrived.resolve();
    return promise;
  };

  /** Takes the next write, or the first bytes of it. */
  async take(count = Infinity): Promise<void> {
    const { bytes, done } = await this.#next();
    const taken = bytes.subarray(0, count);
    this.text += decoder.decode(taken);
    done(taken.length);
  }

  /** Takes each write at once from now on. */
  flow(): void {
    this.#flows = true;
    for (const { bytes, done } of this.#writes) void this.write(bytes).then(done);
  }

  async fail(): Promise<void> {
    (await this.#next()).fail(new Error("the disk is full"));
  }

  async #next() {
    while (this.#writes.length === 0) {
      this.#arrived = Promise.withResolvers();
      await within(60_000, "a write", this.#arrived.promise);
    }
    return this.#writes.shift()!;
  }
}

function start(options: Partial<LogOutputOptions> = {}) {
  const reader = new Reader();
  const lost: number[] = [];
  const output: LogOutput = new LogOutput({
    write: reader.write,
    onLost: (lines) => {
      lost.push(lines);
      output.write(encoder.encode(`lost ${lines}\n`));
    },
    ...options,
  });
  const write = (text: string) => output.write(encoder.encode(text));
  const lostLines = () => {
    const [metric] = output.metrics();
    return metric?.type === "counter" ? metric.samples[0]?.value : undefined;
  };
  return { reader, output, write, lost, lostLines };
}

Deno.test("LogOutput: writes lines in order, together if they came during a write", async () => {
  const { reader, output, write, lostLines } = start();
  for (const text of ["a\n", "b\n", "c\n"]) write(text);
  await reader.take();
  assert.equal(reader.text, "a\n");
  await reader.take(1);
  await reader.take();
  assert.equal(reader.text, "a\nb\nc\n");
  await output.flush(10_000);
  write("d\n");
  await reader.take();
  assert.equal(reader.text, "a\nb\nc\nd\n");
  assert.equal(lostLines(), 0);
});

Deno.test("LogOutput: what does not fit is lost, and reported where it is missing", async () => {
  const { reader, output, write, lost, lostLines } = start({ queueMaxBytes: 10 });
  write("1\n");
  for (const text of ["2...\n", "3...\n", "4\n5\n", "6\n"]) write(text);
  assert.equal(lostLines(), 3);
  await reader.take();
  await reader.take(1);
  write("7\n");
  reader.flow();
  await output.flush(10_000);
  assert.equal(reader.text, "1\n2...\n3...\nlost 3\n7\n");
  assert.deepEqual(lost, [3]);
  assert.equal(lostLines(), 3);
});

Deno.test("LogOutput: a line longer than the queue waits alone", async () => {
  const { reader, output, write, lostLines } = start({ queueMaxBytes: 10 });
  const long = `${"x".repeat(100_000)}\n`;
  write("1\n");
  write(long);
  write("2\n");
  reader.flow();
  await output.flush(10_000);
  assert.equal(reader.text, `1\n${long}lost 1\n`);
  assert.equal(lostLines(), 1);
});

Deno.test("LogOutput: lines that cannot be written are lost, and reported once they can be", async () => {
  const { reader, output, write, lost, lostLines } = start();
  write("1\n2\n");
  await reader.take(2);
  await reader.fail();
  await output.flush(10_000);
  write("3\n");
  await reader.fail();
  await output.flush(10_000);
  assert.deepEqual([lostLines(), lost], [2, []]);
  write("4\n");
  reader.flow();
  await output.flush(10_000);
  assert.equal(reader.text, "1\n4\nlost 2\n");
});

Deno.test("LogOutput.ready(): waits for a slow reader, but not for one that has stopped", async () => {
  const { reader, output, write, lostLines } = start({ readyMaxBytes: 4, stallMs: 300 });
  write("1\n");
  write("2\n3\n");
  const slow = output.ready();
  assert.ok(slow !== undefined);
  await reader.take();
  await within(60_000, "progress", slow);
  assert.equal(output.ready(), undefined, "what is being written does not wait any more");
  write("4\n5\n");
  await within(60_000, "the end of the wait", output.ready()!);
  assert.equal(output.ready(), undefined, "nobody else waits");
  write("6\n");
  await reader.take();
  await reader.take(2);
  write("7\n8\n");
  const again = output.ready();
  assert.ok(again !== undefined, "the reader goes on, so it is waited for again");
  reader.flow();
  await again;
  await output.flush(10_000);
  assert.equal(reader.text, "1\n2\n3\n4\n5\n6\n7\n8\n");
  assert.equal(lostLines(), 0);
});

Deno.test("LogOutput.flush(): waits for the last lines, with a limit", async () => {
  const { reader, output, write } = start();
  await output.flush(60_000);
  write("1\n");
  await within(60_000, "the limit", output.flush(20));
  const flushed = output.flush(60_000);
  await reader.take();
  await within(60_000, "the last line", flushed);
});
