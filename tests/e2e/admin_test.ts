import assert from "node:assert/strict";
import parsePrometheus from "parse-prometheus-text-format";
import { formatAddress } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon.ts";
import { PostgresServer } from "../support/postgres.ts";
import { isInstalled, runProgram } from "../support/programs.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";
import { assertQuick, until } from "../support/within.ts";

const ADMIN = '[admin]\nlisten = "127.0.0.1:0"\n';
const ECHO = '[echo]\nlisten = "127.0.0.1:0"\n';
const ALL = `${ADMIN}${ECHO}[kv]
listen = "127.0.0.1:0"
[task]
listen = "127.0.0.1:0"
beanstalk = "127.0.0.1:0"
[mesh]
listen = "127.0.0.1:0"
`;

/** Metric names that dashboards rely on, each with a label that its samples must have. */
const PROMISED = [
  "process_start_time_seconds",
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "quartet_build_info version",
  "quartet_ready",
  "quartet_config_last_reload_successful",
  "quartet_config_last_reload_success_timestamp_seconds",
  "quartet_connections service",
  "quartet_connections_accepted_total service",
  "quartet_connections_rejected_total reason",
  "quartet_received_bytes_total service",
  "quartet_sent_bytes_total service",
  "quartet_commands_total command",
  "quartet_command_duration_seconds",
  "quartet_echo_messages_total",
  "quartet_echo_delivered_messages_total",
  "quartet_echo_dropped_messages_total",
  "quartet_echo_slow_clients",
  "quartet_echo_long_lines_total",
  "quartet_echo_message_duration_seconds",
  "quartet_kv_keys",
  "quartet_kv_commit_groups_total",
  "quartet_kv_commit_seconds",
  "quartet_kv_commit_writes",
  "quartet_task_jobs state",
  "quartet_task_oldest_ready_seconds tube",
  "quartet_task_push_answer_seconds",
  "quartet_mesh_phase phase",
  "quartet_mesh_jobs_total result",
  "quartet_mesh_phase_duration_seconds",
  "quartet_mesh_bytes_total direction",
  "quartet_mesh_partition_records",
];

interface Family {
  name: string;
  type: string;
  metrics: { value?: string; labels?: Record<string, string> }[];
}

function originOf(daemon: DaemonProcess): string {
  return `http://${formatAddress(daemon.address("admin"))}`;
}

async function metricsOf(daemon: DaemonProcess): Promise<{ type: string | null; text: string }> {
  const response = await fetch(`${originOf(daemon)}/metrics`);
  return { type: response.headers.get("content-type"), text: await response.text() };
}

/** Uses each service once, so that every metric has a sample. */
async function useAll(daemon: DaemonProcess): Promise<void> {
  const exchanges = [
    ["echo", 0, "hello\n", "hello\n"],
    ["kv", 0, "PUT a b\n", "OK\n"],
    ["task", 1, "put 0 0 10 1\r\nx\r\n", "INSERTED 1\r\n"],
    ["mesh", 0, "quit\n", "OK\n"],
    ["mesh", 0, "nonsense\n", 'ERR unknown command "nonsense"\n'],
  ] as const;
  for (const [service, index, request, reply] of exchanges) {
    using client = await TestClient.connect(daemon.addresses(service)[index]!);
    await client.send(request);
    assert.equal(await client.line(), reply);
  }
  await (await fetch(`${originOf(daemon)}/healthz`)).body?.cancel();
}

/** Has Prometheus' own tool check both formats, if it is installed. */
async function checkWithPromtool(daemon: DaemonProcess, openMetrics: string): Promise<void> {
  if (!await isInstalled("promtool")) return;
  const headers = { accept: "text/plain" };
  const response = await fetch(`${originOf(daemon)}/metrics`, { headers });
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/metrics`;
  await Deno.writeTextFile(file, await response.text());
  const checked = await runProgram("sh", ["-c", 'promtool check metrics <"$0"', file]);
  assert.deepEqual(checked, { success: true, text: "" });
  // `check metrics` reads the older format alone; this parses OpenMetrics, and wants timestamps.
  await Deno.writeTextFile(file, openMetrics.replaceAll(/^([a-z].*)$/gm, "$1 1700000000"));
  const args = ["tsdb", "create-blocks-from", "openmetrics", file, `${directory.path}/blocks`];
  const imported = await runProgram("promtool", args);
  assert.ok(imported!.success, imported!.text);
}

Deno.test("/metrics can be parsed and has the promised metrics", async () => {
  await using daemon = await startDaemon({ config: ALL });
  await useAll(daemon);
  const { type, text } = await metricsOf(daemon);
  assert.equal(type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  assert.ok(text.endsWith("\n# EOF\n"));

  const families: Family[] = parsePrometheus(text.replace("# EOF\n", ""));
  // The parser predates OpenMetrics: it lists the samples of counters as separate families.
  const named = new Map(
    families.filter(({ metrics }) => metrics.length > 0).map((f) => [f.name, f]),
  );
  for (const line of PROMISED) {
    const [name, label] = line.split(" ");
    const family = named.get(name!);
    assert.ok(family, `${name} is missing`);
    if (label !== undefined) assert.ok(family.metrics[0]!.labels?.[label], `${line} is missing`);
  }
  assert.match(text, /^quartet_commands_total\{service="mesh",command="quit"\} 1$/m);
  assert.match(text, /^quartet_mesh_mistakes_total 1$/m);
  assert.match(text, /^quartet_admin_answers_total\{status="200"\} 1$/m);
  const declared = [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]!);
  assert.deepEqual(declared, [...new Set(declared)], "each family is declared once");
  const samples = families.reduce(
    (sum, { type, metrics }) => sum + (type === "HISTOGRAM" ? 0 : metrics.length),
    0,
  );
  const lines = text.split("\n").filter((line) => /^[a-z]/.test(line));
  await checkWithPromtool(daemon, text);
  assert.equal(samples, lines.filter((line) => !/_(bucket|count|sum)[{ ]/.test(line)).length);
});

Deno.test("/metrics on PostgreSQL has the database's metrics, and answers while it is down", async () => {
  await using server = await PostgresServer.start();
  await using daemon = await startDaemon({ config: `[storage]\nurl = "${server.url()}"\n${ALL}` });
  await useAll(daemon);
  let text = "";
  const value = (metric: string) => {
    const line = text.split("\n").find((line) => line.startsWith(`${metric} `));
    return line === undefined ? undefined : Number(line.slice(metric.length + 1));
  };
  const shows = (what: string, condition: () => boolean) =>
    until(
      what,
      async () => {
        ({ text } = await metricsOf(daemon));
        return condition();
      },
      60_000,
      50,
    );
  await shows(
    "jobs are counted",
    () => value('quartet_task_jobs{tube="default",state="ready"}') === 1,
  );
  for (const service of ["kv", "task"]) {
    assert.equal(value(`quartet_${service}_committed_writes_total`), 1);
    assert.equal(value(`quartet_${service}_commit_seconds_count`), 1);
    assert.equal(value(`quartet_${service}_commit_writes_sum`), 1);
    assert.equal(value(`quartet_postgres_up{service="${service}"}`), 1);
    assert.equal(value(`quartet_postgres_losses_total{service="${service}"}`), 0);
    assert.equal(value(`quartet_postgres_errors_total{service="${service}"}`), 0);
  }
  await shows("keys are estimated", () => value("quartet_kv_estimated_keys") !== undefined);
  await server.kill();
  await shows(
    "the loss is reported",
    () =>
      ["kv", "task"].every((service) => value(`quartet_postgres_up{service="${service}"}`) === 0),
  );
  // The reply does not wait for the database.
  await assertQuick(2000, () => metricsOf(daemon));
  await shows(
    "stale metrics are gone",
    () => value('quartet_task_jobs{tube="default",state="ready"}') === undefined,
  );
  await server.restart();
  await shows(
    "the metrics come back",
    () =>
      value('quartet_postgres_reconnects_total{service="kv"}') === 1 &&
      value('quartet_task_jobs{tube="default",state="ready"}') === 1,
  );
});

const PYTHON = "/usr/bin/python3";
const PYTHON_PARSER = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(len(list(text_string_to_metric_families(sys.stdin.read()))))
`;

/** Runs a Python program, with `input` on its standard input. */
async function python(program: string, input: string) {
  const command = new Deno.Command(PYTHON, {
    args: ["-c", program],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function hasPythonParser(): Promise<boolean> {
  const ran = await runProgram(PYTHON, ["-c", "import prometheus_client.openmetrics.parser"]);
  return ran?.success ?? false;
}

Deno.test({
  name: "/metrics is accepted by Prometheus' own strict OpenMetrics parser",
  // The parser is not on npm (Debian: python3-prometheus-client).
  ignore: !await hasPythonParser(),
  fn: async () => {
    await using daemon = await startDaemon({ config: ALL });
    await useAll(daemon);
    const { text } = await metricsOf(daemon);
    const { success, stdout, stderr } = await python(PYTHON_PARSER, text);
    assert.ok(success, stderr);
    assert.equal(Number(stdout), text.match(/^# TYPE /gm)!.length);
  },
});

Deno.test("/metrics says whether the last configuration was applied", async () => {
  await using daemon = await startDaemon({ config: ADMIN });
  const successful = async () =>
    /^quartet_config_last_reload_successful (\d)$/m.exec((await metricsOf(daemon)).text)?.[1];
  assert.equal(await successful(), "1");
  const good = await Deno.readTextFile(daemon.configFile);
  await Deno.writeTextFile(daemon.configFile, "[echo]\nmode = 5\n");
  daemon.signal("SIGHUP");
  await daemon.logged(/msg="Not reloaded/);
  assert.equal(await successful(), "0");
  await Deno.writeTextFile(daemon.configFile, good);
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded/);
  assert.equal(await successful(), "1");
});

Deno.test("/readyz fails during a drain, and answers for as long as another service does", async () => {
  await using daemon = await startDaemon({ config: `${ADMIN}${ECHO}` });
  const origin = originOf(daemon);
  using client = await TestClient.connect(daemon.address("echo"));
  // The client does not read, so the drain waits for it.
  const line = `${"x".repeat(60_000)}\n`;
  const flood = (async () => {
    for (let i = 0; i < 300; i++) await client.send(line);
  })().catch(() => {});
  await daemon.logged(/msg="Client is slow"/);
  daemon.signal("SIGTERM");
  await daemon.logged(/msg=Draining/);
  const response = await fetch(`${origin}/readyz`);
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), {
    ready: false,
    state: "draining",
    reasons: ["the daemon is draining"],
  });
  client.close();
  await flood;
  assert.equal((await daemon.ended()).code, 0);
});

/** Switches a service as the page does. */
async function switchService(daemon: DaemonProcess, name: string, enabled: boolean) {
  const origin = originOf(daemon);
  const response = await fetch(`${origin}/services/${name}`, {
    method: "POST",
    headers: { origin },
    body: JSON.stringify({ enabled }),
  });
  return { status: response.status, text: await response.text() };
}

Deno.test("a service that is switched off disconnects its clients and stays off until the next reload", async () => {
  await using daemon = await startDaemon({ config: `${ADMIN}${ECHO}` });
  using client = await TestClient.connect(daemon.address("echo"));
  await client.send("before\n");
  assert.equal(await client.line(), "before\n");
  assert.equal((await switchService(daemon, "echo", false)).status, 200);
  assert.equal(await client.rest(), "");
  await assert.rejects(TestClient.connect(daemon.address("echo")), Deno.errors.ConnectionRefused);
  assert.equal(
    (await fetch(`${originOf(daemon)}/readyz`)).status,
    200,
    "a service that is off is not a problem",
  );
  daemon.signal("SIGHUP");
  await daemon.logged(/msg=Reloaded/);
  using second = await TestClient.connect(daemon.address("echo"));
  await second.send("after\n");
  assert.equal(await second.line(), "after\n");
});

Deno.test("a service that cannot be switched on stays off, with the reason in the reply", async () => {
  await using other = await startDaemon({ config: ECHO });
  const taken = formatAddress(other.address("echo"));
  const config = `${ADMIN}[echo]\nenabled = false\nlisten = "${taken}"\n`;
  await using daemon = await startDaemon({ config });
  const { status, text } = await switchService(daemon, "echo", true);
  assert.equal(status, 409);
  assert.match(text, /Cannot start echo: Cannot listen on .*: the address is taken/);
  assert.equal((await fetch(`${originOf(daemon)}/readyz`)).status, 200);
  await other.stop();
  assert.equal((await switchService(daemon, "echo", true)).status, 200);
});

Deno.test("/readyz names a service that a reload could not start", async () => {
  await using other = await startDaemon({ config: ECHO });
  const taken = formatAddress(other.address("echo"));
  await using daemon = await startDaemon({ config: ADMIN });
  const config = await Deno.readTextFile(daemon.configFile);
  const wanted = config.replace("[echo]\nenabled = false", `[echo]\nlisten = "${taken}"`);
  await Deno.writeTextFile(daemon.configFile, wanted);
  daemon.signal("SIGHUP");
  await daemon.logged(/msg="Cannot apply the new configuration"/);
  await daemon.logged(/msg=Reloaded/);
  const response = await fetch(`${originOf(daemon)}/readyz`);
  assert.equal(response.status, 503);
  assert.match((await response.json()).reasons.join(), /^echo: Cannot start echo: .*is taken/);
});
