import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { planReload, planService, type StartedService } from "../../lib/daemon/reload_plan.ts";
import { SERVICES } from "../../lib/services.ts";

const TABLE = SERVICES.filter(({ name }) => ["echo", "kv", "mesh"].includes(name));
const PORTS = { echo: 1001, kv: 1002, mesh: 1003 };

/** A configuration with other ports than these; a service is disabled where its port is negative. */
function configOf(ports: Partial<Record<keyof typeof PORTS, number>> = {}) {
  const text = Object.entries({ ...PORTS, ...ports }).map(([name, port]) =>
    `[${name}]\nenabled = ${port > 0}\nlisten = "127.0.0.1:${Math.abs(port)}"\n`
  ).join("");
  const source = { file: "q.toml", text, env: () => undefined, readFile: () => "" };
  return loadConfig(source, TABLE).config;
}

/** The services of a configuration as if they had been started. */
function startedFrom(config: ReturnType<typeof configOf>): Map<string, StartedService> {
  const started = new Map<string, StartedService>();
  for (const { name, addresses } of TABLE) {
    const section = config.services[name]!;
    if (!section.enabled) continue;
    const running = {
      addresses: addresses(section),
      problems: () => [],
      metrics: () => [],
      drain: () => Promise.resolve(),
    };
    started.set(name, { section, running, sinceMs: 0 });
  }
  return started;
}

/** The names in a plan from one configuration to another. */
function plan(before: ReturnType<typeof configOf>, after: ReturnType<typeof configOf>) {
  const { kept, changed, stopFirst } = planReload(TABLE, startedFrom(before), after);
  const names = (services: typeof TABLE) => services.map(({ name }) => name).join(" ");
  return [
    names(kept.map(({ service }) => service)),
    names(changed.map(({ service }) => service)),
    names(stopFirst),
  ];
}

Deno.test("planReload(): a service with the same section is unchanged", () => {
  assert.deepEqual(plan(configOf(), configOf()), ["echo kv mesh", "", ""]);
  assert.deepEqual(plan(configOf(), configOf({ kv: 2 })), ["echo mesh", "kv", ""]);
});

Deno.test("planReload(): services that exchange their addresses stop first", () => {
  const exchanged = configOf({ echo: PORTS.kv, kv: PORTS.echo });
  assert.deepEqual(plan(configOf(), exchanged), ["mesh", "echo kv", "echo kv"]);
});

Deno.test("planReload(): only the service that holds a needed address stops first", () => {
  assert.deepEqual(plan(configOf(), configOf({ echo: PORTS.kv, kv: 2 })), [
    "mesh",
    "echo kv",
    "kv",
  ]);
  assert.deepEqual(plan(configOf(), configOf({ echo: PORTS.mesh, mesh: -PORTS.mesh })), [
    "kv",
    "echo mesh",
    "mesh",
  ]);
});

Deno.test("planReload(): a service that restarts on its own address need not stop first", () => {
  const config = configOf();
  const echo = { ...config.services.echo!, history: 5 };
  const after = { ...config, services: { ...config.services, echo } };
  assert.deepEqual(plan(config, after), ["kv mesh", "echo", ""]);
});

Deno.test("planService(): says what happens to a service, and which keys are the reason", () => {
  const [echo] = TABLE;
  const section = configOf().services.echo!;
  const plan = (before: object | undefined, after: object | undefined) => {
    const [old, next] = [before, after].map((change) => change && { ...section, ...change });
    const { action, keys } = planService(echo!, old, next);
    return [action, ...keys];
  };
  assert.deepEqual(plan({}, {}), ["keep"]);
  assert.deepEqual(plan({}, { max_clients: 5, origins: ["*"] }), [
    "adjust",
    "origins",
    "max_clients",
  ]);
  assert.deepEqual(plan({}, { max_clients: 5, mode: "confirm" }), [
    "restart",
    "mode",
    "max_clients",
  ]);
  assert.deepEqual(plan({ tls: { cert: "a", key: "b" } }, {}), ["restart", "tls"]);
  assert.deepEqual(plan({}, { enabled: false }), ["stop", "enabled"]);
  assert.deepEqual(plan({}, undefined), ["stop", "enabled"]);
  assert.deepEqual(plan(undefined, {}), ["start"]);
});

Deno.test("planReload(): an outdated service restarts, even with the same section", () => {
  const started = startedFrom(configOf());
  started.get("mesh")!.outdated = true;
  const [change] = planReload(TABLE, started, configOf()).changed;
  assert.deepEqual([change?.service.name, change?.action], ["mesh", "restart"]);
});

Deno.test("planReload(): a disabled service needs no address", () => {
  const before = configOf({ echo: -PORTS.echo });
  const after = configOf({ echo: -PORTS.kv, kv: 2 });
  assert.deepEqual(plan(before, after), ["mesh", "echo kv", ""]);
});
