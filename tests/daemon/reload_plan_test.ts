import assert from "node:assert/strict";
import { loadConfig } from "../../lib/config/load.ts";
import { planReload, planService, type StartedService } from "../../lib/daemon/reload_plan.ts";
import { previewReload } from "../../lib/daemon/reload_preview.ts";
import { Login } from "../../lib/net/login.ts";
import { SERVICES } from "../../lib/services.ts";
import { TestLog } from "../support/log.ts";

const TABLE = SERVICES.filter(({ name }) => ["echo", "kv", "mesh"].includes(name));
const PORTS = { echo: 1001, kv: 1002, mesh: 1003 };

/** A configuration with other ports than these; a service is disabled where its port is negative. */
function configOf(ports: Partial<Record<keyof typeof PORTS, number>> = {}, more = "") {
  const text =
    Object.entries({ ...PORTS, ...ports }).map(([name, port]) =>
      `[${name}]\nenabled = ${port > 0}\nlisten = "127.0.0.1:${Math.abs(port)}"\n`
    ).join("") + more;
  const env = (name: string) => `the-token-${name}`;
  const source = { file: "q.toml", text, env, readFile: () => "" };
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
  const echo = { ...config.services.echo!, mode: "confirm" };
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

/** A section `[auth]` with these tokens, each with the services that it opens. */
function tokens(table: Record<string, string>, onRevoke = "close"): string {
  const lines = Object.entries(table).map(([name, services]) =>
    `tokens.${name} = { env = "${name}", services = ${services} }\n`
  );
  return `[auth]\non_revoke = "${onRevoke}"\n${lines.join("")}`;
}

/** The preview of a reload, as one text per service and one for each other list of keys. */
function preview(before: ReturnType<typeof configOf>, after: ReturnType<typeof configOf>) {
  const started = startedFrom(before);
  for (const { running } of started.values()) {
    const samples = [{ labels: { port: "a" }, value: 2 }, { labels: { port: "b" }, value: 1 }];
    running.metrics = () => [{ type: "gauge", name: "connections", help: "", samples }];
  }
  const mesh = started.get("mesh")?.running;
  if (mesh !== undefined) mesh.finishLongWork = () => assert.fail("a preview changes nothing");
  const inForce = { config: before, started, guard: before.guard };
  const { faults, services, keysAtOnce, keysForNextStart } = previewReload(TABLE, inForce, after);
  assert.deepEqual(faults, []);
  const lines = services.map(({ name, action, keys, waits, tokens, closes }) => {
    const { added, changed, removed } = tokens;
    const changes = [["+", added], ["~", changed], ["-", removed]] as const;
    const marks = changes.flatMap(([mark, names]) => names.map((token) => mark + token));
    return [name, action, ...keys, ...(waits ? ["waits"] : []), ...marks, closes].join(" ");
  });
  return [...lines, keysAtOnce.join(), keysForNextStart.join()];
}

Deno.test("previewReload(): says what happens to each service and to its connections", () => {
  assert.deepEqual(preview(configOf({ kv: -2 }), configOf({ kv: -2 })), [
    ...["echo keep 0", "kv off 0", "mesh keep 0", "", ""],
  ]);
  const after = configOf({ kv: 2, echo: -PORTS.echo, mesh: 3 }, "max_clients = 5\n");
  assert.deepEqual(preview(configOf({ kv: -2 }), after), [
    ...["echo stop enabled 3", "kv start 0", "mesh restart listen max_clients waits 3", "", ""],
  ]);
  const moved = configOf({ echo: PORTS.mesh, mesh: 3 });
  const [, , mesh] = preview(configOf(), moved);
  assert.equal(mesh, "mesh restart listen 3", "it stops first, so it cannot wait");
});

Deno.test("previewReload(): lists the keys of other sections", () => {
  const more = `[log]\nlevel = "debug"\n[daemon]\ndata_dir = "there"\ndrain_timeout = "1s"
    [storage]\nurl = "memory:"\n[auth]\nmax_failures = 3\n`;
  assert.deepEqual(preview(configOf(), configOf({}, more)).slice(3), [
    "daemon.drain_timeout,log.level,auth.max_failures",
    "daemon.data_dir,storage.url",
  ]);
});

Deno.test("previewReload(): names the tokens that change, and counts the connections they close", async () => {
  const ALL = '["echo", "kv"]';
  const before = configOf({}, tokens({ a: ALL, b: ALL, c: '["echo"]' }));
  const log = new TestLog().log;
  const closed: string[] = [];
  const logins: Login[] = [];
  const connect = (service: string, token?: string) => {
    const peer = { id: 1, remote: "", host: "h", close: () => closed.push(service) };
    const login = new Login(peer, before.guard(service)!, log);
    logins.push(login);
    return token === undefined ? undefined : login.showInTurn(`the-token-${token}`);
  };
  try {
    await connect("echo", "a");
    await connect("echo", "b");
    await connect("echo", "c");
    await connect("kv", "a");
    connect("echo");
    const limited = { a: ALL, b: '{ echo = { publish = ["x"] }, kv = "all" }', d: '["echo"]' };
    assert.deepEqual(preview(before, configOf({}, tokens(limited))).slice(0, 3), [
      "echo keep +d ~b -c 2",
      "kv keep 0",
      "mesh keep 0",
    ]);
    const kept = preview(before, configOf({}, tokens({ a: ALL }, "keep")));
    assert.deepEqual(kept, [
      "echo keep -b -c 0",
      "kv keep -b 0",
      "mesh keep 0",
      "auth.on_revoke",
      "",
    ]);
    const [echo, kv, mesh] = preview(before, configOf({}, tokens({ d: '["mesh"]' })));
    assert.deepEqual([echo, kv, mesh], [
      "echo keep -a -b -c 3",
      "kv keep -a -b 1",
      "mesh keep +d 0",
    ]);
    const off = configOf({ echo: -PORTS.echo, mesh: -PORTS.mesh }, tokens({ a: '["kv"]' }));
    assert.deepEqual(preview(before, off)[0], "echo stop enabled 3");
    const on = configOf({ mesh: -PORTS.mesh }, tokens({ a: ALL, b: ALL }));
    assert.deepEqual(preview(off, on).slice(0, 3), [
      "echo start +a +b 0",
      "kv keep +b 0",
      "mesh off 0",
    ]);
    const unused = configOf({ mesh: -PORTS.mesh }, tokens({ a: '["mesh"]' }));
    assert.deepEqual(preview(unused, unused)[2], "mesh off 0");
    assert.deepEqual(closed, []);
  } finally {
    for (const login of logins) login[Symbol.dispose]();
  }
});

Deno.test("previewReload(): a faulty configuration changes nothing", () => {
  const config = configOf();
  const inForce = { config, started: startedFrom(config), guard: config.guard };
  assert.deepEqual(previewReload(TABLE, inForce, ["q.toml:1: wrong"]), {
    faults: ["q.toml:1: wrong"],
    services: [],
    keysAtOnce: [],
    keysForNextStart: [],
  });
});

Deno.test("planService(): only an address, a storage or a mode restarts a service", () => {
  const source = { file: "q.toml", text: "", env: () => undefined, readFile: () => "" };
  const { services } = loadConfig(source, SERVICES).config;
  const fixed = SERVICES.map(({ name, live = [] }) => {
    const keys = Object.keys(services[name]!).filter((key) => !live.includes(key));
    return `${name}: ${keys.filter((key) => key !== "enabled").join(" ")}`;
  });
  assert.deepEqual(fixed, [
    "echo: listen mode subject room",
    "kv: listen",
    "task: listen beanstalk tube",
    "mesh: listen node nodes dir partition",
    "admin: listen",
  ]);
});
