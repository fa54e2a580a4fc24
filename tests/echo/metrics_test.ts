import assert from "node:assert/strict";
import type { Histogram } from "../../lib/metrics.ts";
import type { RunningService } from "../../lib/service.ts";
import { TestClient } from "../support/client.ts";
import { until } from "../support/within.ts";
import { TestLog } from "../support/log.ts";
import { within } from "../support/within.ts";
import { startEcho } from "./support.ts";

function durations(running: RunningService): Histogram {
  const metric = running.metrics().find(({ name }) => name === "echo_message_duration_seconds");
  assert.ok(metric?.type === "histogram");
  return metric.samples[0]!.histogram;
}

for (const mode of ["broadcast", "confirm"]) {
  Deno.test(`echo: in ${mode} mode each message counts for its latency once`, async () => {
    await using echo = await startEcho({ mode });
    using client = await TestClient.connect(echo.running.addresses[0]!);
    await client.send("a\nb\nc\n");
    for (let i = 0; i < 3; i++) await client.line();
    await until("all are counted", () => durations(echo.running).count === 3);
    assert.ok(durations(echo.running).sum > 0 && durations(echo.running).sum < 30);
  });

  Deno.test(`echo: in ${mode} mode a line that is too long is counted as such alone`, async () => {
    await using echo = await startEcho({ mode, max_line: "5B" });
    using client = await TestClient.connect(echo.running.addresses[0]!);
    await client.send("short\ntoo long\nshort\ntoo long again\n");
    for (let i = 0; i < 4; i++) await client.line();
    await until("all are counted", () => durations(echo.running).count === 2);
    assert.equal(echo.metric("echo_long_lines_total"), 2);
    assert.equal(echo.metric("echo_messages_total"), 2);
  });
}

Deno.test("echo: the latency shows how long a client that does not read holds others up", async () => {
  await using echo = await startEcho({ queue: 1, slow_after: "300ms" });
  const address = echo.running.addresses[0]!;
  using publisher = await TestClient.connect(address);
  using _sleeper = await TestClient.connect(address);
  // More than the buffers of the kernel hold.
  const message = `${"m".repeat(60 * 1024)}\n`;
  const heldUp = () => {
    const { bounds, counts } = durations(echo.running);
    return counts.some((count, bucket) => count > 0 && (bounds[bucket - 1] ?? 0) >= 0.1);
  };
  for (let sent = 0; !heldUp(); sent++) {
    assert.ok(sent < 1000, "no publisher was held up");
    await publisher.send(message);
    await publisher.line();
  }
});

Deno.test("echo: in confirm mode a message waits until the log is ready for it", async () => {
  const { log, lines } = new TestLog();
  let held: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const ready = () => {
    asked.resolve();
    return held?.promise;
  };
  await using echo = await startEcho({ mode: "confirm" }, { log: { ...log, ready } });
  using client = await TestClient.connect(echo.running.addresses[0]!);
  await client.send("hello\n");
  await within(60_000, "the question", asked.promise);
  assert.ok(!lines.join("").includes("hello"));
  const { resolve } = held;
  held = undefined;
  resolve();
  assert.equal(await client.line(), "Message received.\n");
  assert.ok(lines.join("").includes("hello"));
});
