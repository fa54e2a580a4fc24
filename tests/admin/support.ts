import { Bus } from "../../lib/bus/bus.ts";
import type { DaemonState, DaemonView, ReloadPreview, ServiceView } from "../../lib/service.ts";
import type { Guard } from "../../lib/auth.ts";
import { admin } from "../../lib/admin/mod.ts";
import { adminConfigSchema } from "../../lib/admin/config.ts";
import { Refusals } from "../../lib/refusals.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import { formatAddress } from "../../lib/net/address.ts";
import { TestLog } from "../support/log.ts";
import * as v from "valibot";

/** A daemon whose state the test sets. */
export class FakeDaemon implements DaemonView {
  state: DaemonState = "ready";
  lastReload = { successful: true, successMs: 1_700_000_000_000 };
  readonly log = new RecentLog();
  readonly switched: [string, boolean][] = [];
  readonly views: ServiceView[] = [];
  readonly busProblems: string[] = [];
  readonly bus = { metrics: () => new Bus().metrics(), problems: () => this.busProblems };

  services(): ServiceView[] {
    return this.views;
  }

  recentLog(after?: number): { lines: string[]; position: number } {
    return this.log.read(after);
  }

  logMetrics(): [] {
    return [];
  }

  setEnabled(service: string, enabled: boolean): Promise<void> {
    if (service === "broken") return Promise.reject(new Error("Cannot start broken: it is"));
    this.switched.push([service, enabled]);
    return Promise.resolve();
  }

  previewReload(): ReloadPreview {
    return { faults: [], services: [], keysAtOnce: ["log.level"], keysForNextStart: [] };
  }

  /** Adds a running service. */
  add(name: string, running: Partial<NonNullable<ServiceView["running"]>> = {}): void {
    const complete = { addresses: [], problems: () => [], metrics: () => [], ...running };
    this.views.push({
      name,
      enabled: true,
      running: complete,
      sinceMs: 1_700_000_000_000,
      refusals: 0,
      problems: complete.problems,
    });
  }
}

/** Starts the admin service of a fake daemon. */
export async function startAdmin(
  daemon: FakeDaemon,
  config: Record<string, unknown> = {},
  guard: () => Guard | undefined = () => undefined,
) {
  const testLog = new TestLog();
  const running = await admin.start(
    v.parse(adminConfigSchema, { listen: "127.0.0.1:0", ...config }),
    {
      log: testLog.log,
      daemon,
      bus: new Bus(),
      admits: () => false,
      refusals: new Refusals(testLog.log),
      guard,
      dataDir: "/nonexistent",
      storage: () => Promise.reject(new Error("admin needs no storage")),
    },
  );
  const address = running.addresses[0]!;
  return {
    running,
    address,
    log: testLog,
    origin: `http://${formatAddress(address)}`,
    [Symbol.asyncDispose]: () => running.drain(AbortSignal.timeout(5000)),
  };
}
