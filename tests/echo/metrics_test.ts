import assert from "node:assert/strict";
import * as v from "valibot";
import { echo } from "../../lib/echo/mod.ts";
import type { Histogram } from "../../lib/metrics.ts";
import type { RunningService } from "../../lib/service.ts";
import { TestClient } from "../support/client.ts";
import { TestLog } from "../support/log.ts";
import { until } from "../support/within.ts";

async function startEcho(config: Record<string, unknown>): Promise<RunningService> {
  return await echo.start(v.parse(echo.schema, { listen: "127.0.0.1:0", ...config }), {
    guard: () => undefined,
    log: new TestLog().log,
    dataDir: "/nonexistent",
    get daemon(): never {
      throw new Error("echo asks nothing of the daemon");
    },
    storage: () => Promise.reject(new Error("echo needs no storage")),
  });
}

function durations(running: RunningService): Histogram {
  const metric = running.metrics().find(({ name }) => name === "echo_message_duration_seconds");
  assert.ok(metric?.type === "histogram");
  return metric.samples[0]!.histogram;
}

for (const mode of ["broadcast", "confirm"]) {
  Deno.test(`echo: in ${mode} mode each message counts for its latency once`, async () => {
    const running = await startEcho({ mode });
    using client = await TestClient.connect(running.addresses[0]!);
    await client.send("a\nb\nc\n");
    for (let i = 0; i < 3; i++) await client.line();
    await until("all are counted", () => durations(running).count === 3);
    assert.ok(durations(running).sum > 0 && durations(running).sum < 30);
    await running.drain(AbortSignal.timeout(5000));
  });
}

Deno.test("echo: the latency shows for how long a client that does not read holds others up", async () => {
  const running = await startEcho({ queue: 1, slow_after: "300ms" });
  const address = running.addresses[0]!;
  using publisher = await TestClient.connect(address);
  using sleeper = await TestClient.connect(address);
  // More than any buffer of the kernel's takes.
  const message = `${"m".repeat(60 * 1024)}\n`;
  const heldUp = () => {
    const { bounds, counts } = durations(running);
    return counts.some((count, bucket) => count > 0 && (bounds[bucket - 1] ?? 0) >= 0.1);
  };
  for (let sent = 0; !heldUp(); sent++) {
    assert.ok(sent < 1000, "nobody was held up");
    await publisher.send(message);
    await publisher.line();
  }
  sleeper.close();
  await running.drain(AbortSignal.timeout(5000));
});
