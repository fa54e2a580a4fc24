/**
 * The daemon with services that load after they have begun to listen.
 *
 * @module
 */

import assert from "node:assert/strict";
import { delay } from "@std/async/delay";
import * as v from "valibot";
import type { Config } from "../../lib/config/schema.ts";
import { rightsList } from "../../lib/config/rights.ts";
import { FailureCounter, Guard } from "../../lib/auth.ts";
import { Daemon } from "../../lib/daemon/daemon.ts";
import { RecentLog } from "../../lib/recent_log.ts";
import type { Refusals } from "../../lib/refusals.ts";
import type { DaemonView, Service, ServiceConfig } from "../../lib/service.ts";
import { TestLog } from "../support/log.ts";
import { within } from "../support/within.ts";
import { beginLogin, type LoginContext } from "../../lib/net/login.ts";

interface Section extends ServiceConfig {
  version: number;
}

/** A service whose loading a test ends, and the daemon as that service sees it. */
class LoadingService {
  readonly name = "slow";
  readonly events: string[] = [];
  /** One for each start. */
  readonly gates: PromiseWithResolvers<void>[] = [];
  daemon: DaemonView | undefined;
  refusals: Refusals | undefined;
  /** What the service needs of its present guard, for a login. */
  login: LoginContext | undefined;
  /** Set while it has long work. */
  work: Promise<void> | undefined;
  #started = Promise.withResolvers<void>();

  readonly service: Service<Section> = {
    name: this.name,
    schema: v.any(),
    rights: rightsList(["use"]),
    addresses: () => [],
    start: ({ version }, { daemon, refusals, guard, log }) => {
      this.login = { guard, log };
      this.daemon = daemon;
      this.refusals = refusals;
      this.events.push(`start ${version}`);
      const gate = Promise.withResolvers<void>();
      this.gates.push(gate);
      this.#started.resolve();
      this.#started = Promise.withResolvers<void>();
      return Promise.resolve({
        addresses: [],
        loaded: gate.promise,
        problems: () => [],
        metrics: () => [],
        finishLongWork: () => this.work,
        drain: () => {
          this.events.push(`drain ${version}`);
          return Promise.resolve();
        },
      });
    },
  };

  /** Waits for the next start. */
  started(): Promise<void> {
    return within(60_000, "the start", this.#started.promise);
  }

  /** Starts a daemon with this service. */
  launch(dataDir: string, signal?: AbortSignal, tokens: string[] = []): Promise<Daemon> {
    const { log } = new TestLog();
    return Daemon.start(this.config(dataDir, 1, tokens), {
      services: [this.service] as Service[],
      createLog: () => log,
      recentLog: new RecentLog(),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  config(dataDir: string, version: number, tokens: string[] = []): Config {
    const guard = tokens.length === 0
      ? undefined
      : new Guard(tokens, new FailureCounter(10, 60_000));
    const section: Section = { enabled: true, insecure: false, version };
    return {
      daemon: { data_dir: dataDir, drain_accept: 0, drain_timeout: 1000 },
      log: { level: "info", format: "text" },
      storage: { url: "memory:" },
      bus: { servers: [], timeoutMs: 2000, events: false },
      services: { slow: section },
      guard: () => guard,
      auth: { max_failures: 10, failure_window: 60_000, login_timeout: 10_000, on_revoke: "close" },
      tokenFiles: [],
    };
  }
}

/** Runs a test with a directory of its own. */
async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "quartet-daemon-" });
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("Daemon.start waits until every service has loaded, and is not ready before", async () => {
  await withDirectory(async (directory) => {
    const slow = new LoadingService();
    const started = slow.started();
    const starting = slow.launch(directory);
    await started;
    assert.equal(slow.daemon!.state, "starting");
    slow.gates[0]!.resolve();
    const daemon = await starting;
    assert.equal(slow.daemon!.state, "ready");
    await daemon.drain();
    assert.deepEqual(slow.events, ["start 1", "drain 1"]);
  });
});

Deno.test("Daemon.start fails and drains a service that cannot load", async () => {
  await withDirectory(async (directory) => {
    const slow = new LoadingService();
    const started = slow.started();
    const starting = slow.launch(directory);
    await started;
    slow.gates[0]!.reject(new Error("the file is damaged"));
    await assert.rejects(starting, { message: "Cannot start slow: the file is damaged" });
    assert.deepEqual(slow.events, ["start 1", "drain 1"]);
  });
});

Deno.test("Daemon.start ends with the reason of its signal, without waiting for a service to load", async () => {
  await withDirectory(async (directory) => {
    const slow = new LoadingService();
    const started = slow.started();
    const stop = new AbortController();
    const starting = slow.launch(directory, stop.signal);
    await started;
    stop.abort(new Error("stopped"));
    await assert.rejects(within(60_000, "the end", starting), { message: "stopped" });
    assert.deepEqual(slow.events, ["start 1", "drain 1"]);
  });
});

Deno.test("Daemon.reload goes back to the old section if the new one cannot load", async () => {
  await withDirectory(async (directory) => {
    const slow = new LoadingService();
    const started = slow.started();
    const starting = slow.launch(directory);
    await started;
    slow.gates[0]!.resolve();
    const daemon = await starting;
    const again = slow.started();
    const reloading = daemon.reload(slow.config(directory, 2));
    await again;
    const back = slow.started();
    slow.gates[1]!.reject(new Error("the file is damaged"));
    await back;
    slow.gates[2]!.resolve();
    await reloading;
    assert.deepEqual(slow.daemon!.services()[0]!.problems(), [
      "Cannot start slow: the file is damaged",
    ]);
    await daemon.drain();
    const events = ["start 1", "drain 1", "start 2", "drain 2", "start 1", "drain 1"];
    assert.deepEqual(slow.events, events);
  });
});

Deno.test("Daemon.drain does not wait for a reload whose service is loading", async () => {
  await withDirectory(async (directory) => {
    const slow = new LoadingService();
    const started = slow.started();
    const starting = slow.launch(directory);
    await started;
    slow.gates[0]!.resolve();
    const daemon = await starting;
    const again = slow.started();
    const reloading = daemon.reload(slow.config(directory, 2));
    await again;
    await within(60_000, "the drain", daemon.drain());
    await reloading;
    assert.deepEqual(slow.events, ["start 1", "drain 1", "start 2", "drain 2"]);
  });
});

/** A daemon with a service that has long work, and has been told of another section. */
async function reloadWhileBusy(slow: LoadingService, directory: string, tokens: string[] = []) {
  const started = slow.started();
  const starting = slow.launch(directory, undefined, tokens);
  await started;
  slow.gates[0]!.resolve();
  const daemon = await starting;
  const work = Promise.withResolvers<void>();
  slow.work = work.promise;
  await within(60_000, "the reload", daemon.reload(slow.config(directory, 2, tokens)));
  assert.deepEqual(slow.events, ["start 1"], "its work goes on");
  return { daemon, endWork: work.resolve };
}

for (const [version, what] of [[2, "the last section"], [1, "its first section again"]] as const) {
  Deno.test(`Daemon.reload() lets a service finish long work before it gets ${what}`, async () => {
    await withDirectory(async (directory) => {
      const slow = new LoadingService();
      const { daemon, endWork } = await reloadWhileBusy(slow, directory);
      await daemon.reload(slow.config(directory, version));
      assert.deepEqual(slow.events, ["start 1"]);
      slow.work = undefined;
      const again = slow.started();
      endWork();
      await again;
      slow.gates[1]!.resolve();
      await daemon.reload(slow.config(directory, version));
      await daemon.drain();
      const end = ["drain 1", `start ${version}`, `drain ${version}`];
      assert.deepEqual(slow.events, ["start 1", ...end]);
    });
  });
}

Deno.test("Daemon.reload() withdraws tokens at once from a service that restarts later", async () => {
  const [old, kept] = ["the old token", "the kept token"].map((text) => text.replaceAll(" ", "-"));
  await withDirectory(async (directory) => {
    const slow = new LoadingService();
    const { daemon, endWork } = await reloadWhileBusy(slow, directory, [old!, kept!]);
    const closed: string[] = [];
    const show = async (token: string) => {
      const close = () => void closed.push(token);
      return await beginLogin({ id: 1, remote: "a", host: "a", close }, slow.login!)!
        .showInTurn(token);
    };
    assert.deepEqual([await show(old!), await show(kept!)], ["right", "right"]);
    await daemon.reload(slow.config(directory, 2, [kept!]));
    assert.deepEqual(closed, [old]);
    assert.deepEqual([await show(old!), await show(kept!)], ["wrong", "right"]);
    // Its old section goes on to require a token.
    await daemon.reload(slow.config(directory, 2));
    assert.deepEqual(closed, [old, kept, kept]);
    assert.equal(await show(kept!), "wrong");
    assert.deepEqual(slow.events, ["start 1"]);
    slow.work = undefined;
    const again = slow.started();
    endWork();
    await again;
    slow.gates[1]!.resolve();
    await daemon.reload(slow.config(directory, 2));
    assert.equal(slow.login!.guard(), undefined);
    await daemon.drain();
  });
});

Deno.test("Daemon.drain() does not wait for long work, and nothing starts after it", async () => {
  await withDirectory(async (directory) => {
    const slow = new LoadingService();
    const { daemon, endWork } = await reloadWhileBusy(slow, directory);
    await within(60_000, "the drain", daemon.drain());
    endWork();
    await delay(0);
    // It waits for all changes before it.
    await within(60_000, "the last change", daemon.drain());
    assert.deepEqual(slow.events, ["start 1", "drain 1"]);
  });
});

Deno.test("Daemon: what a service has refused is counted across its restarts", async () => {
  await withDirectory(async (directory) => {
    const slow = new LoadingService();
    const starting = slow.launch(directory);
    await slow.started();
    slow.gates[0]!.resolve();
    const daemon = await starting;
    const refusal = { token: "app", action: "use", name: "", address: "a" };
    slow.refusals!.add(refusal);
    const restarted = slow.started();
    const reloading = daemon.reload(slow.config(directory, 2));
    await restarted;
    slow.gates[1]!.resolve();
    await reloading;
    slow.refusals!.add(refusal);
    assert.equal(slow.daemon!.services()[0]!.refusals, 2);
    await daemon.drain();
  });
});
