import assert from "node:assert/strict";
import * as v from "valibot";
import { Bus } from "../../lib/bus/bus.ts";
import { echo } from "../../lib/echo/mod.ts";
import type { RunningService, ServiceContext } from "../../lib/service.ts";
import { Refusals } from "../../lib/refusals.ts";
import { TestLog } from "../support/log.ts";

/** Echo inside the test's process, on a free port. */
export interface TestEcho extends AsyncDisposable {
  running: RunningService;
  bus: Bus;
  log: TestLog;
  /** The value of a metric that has one sample. */
  metric(name: string): number;
}

/**
 * Starts echo inside the test's process.
 *
 * @param config The keys of `[echo]` that differ from their defaults.
 * @param context What differs in the daemon.
 */
export async function startEcho(
  config: Record<string, unknown> = {},
  context: Partial<ServiceContext> = {},
): Promise<TestEcho> {
  const log = new TestLog();
  const bus = new Bus();
  const running = await echo.start(v.parse(echo.schema, { listen: "127.0.0.1:0", ...config }), {
    guard: () => undefined,
    admits: () => false,
    refusals: new Refusals(log.log),
    log: log.log,
    bus,
    dataDir: "/nonexistent",
    get daemon(): never {
      throw new Error("echo asks nothing of the daemon");
    },
    storage: () => Promise.reject(new Error("echo needs no storage")),
    ...context,
  });
  return {
    running,
    bus,
    log,
    metric: (name) => {
      const metric = running.metrics().find((metric) => metric.name === name);
      assert.ok(metric !== undefined && metric.type !== "histogram", name);
      return metric.samples[0]!.value;
    },
    [Symbol.asyncDispose]: () => running.drain(AbortSignal.timeout(5000)),
  };
}
