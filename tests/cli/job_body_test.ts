import assert from "node:assert/strict";
import { readJobBody } from "../../lib/cli/job_body.ts";
import { CommandError } from "../../lib/cli/command.ts";

/** A stream of a megabyte that counts what is read of it. */
function megabyte(chunkBytes: number) {
  const read = { bytes: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      read.bytes += chunkBytes;
      controller.enqueue(new Uint8Array(chunkBytes));
      if (read.bytes >= 1_000_000) controller.close();
    },
    cancel: () => void (read.cancelled = true),
  });
  return { read, stream };
}

Deno.test("readJobBody() reads whole bodies, and asks for the limit only if it may matter", async () => {
  for (const [bytes, asked] of [[0, 0], [65_535, 0], [65_536, 1], [1_000_000, 1]] as const) {
    const body = crypto.getRandomValues(new Uint8Array(65_536)).subarray(0, bytes % 65_537);
    const whole = new Uint8Array(bytes).fill(7);
    whole.set(body.subarray(0, bytes));
    let asks = 0;
    const read = await readJobBody(new Blob([whole]).stream(), () => {
      asks++;
      return Promise.resolve(1_000_000);
    });
    assert.deepEqual([read, asks], [whole, asked]);
  }
});

Deno.test("readJobBody() stops reading a body that the server would not accept", async () => {
  const { read, stream } = megabyte(10_000);
  await assert.rejects(
    readJobBody(stream, () => Promise.resolve(200_000)),
    (error) => {
      assert.ok(error instanceof CommandError);
      assert.equal(
        error.message,
        "Cannot put a job: its body is longer than 200000 bytes, the max_job_size of the server",
      );
      return true;
    },
  );
  assert.ok(read.cancelled && read.bytes < 300_000, `${read.bytes} bytes were read`);
});
