import assert from "node:assert/strict";
import type { DaemonJson, MetricsJson } from "../../../lib/admin/page/daemon_json.ts";
import { Interval } from "../../../lib/admin/page/interval.ts";
import { ClientRates } from "../../../lib/cli/top/client_rates.ts";
import type { Snapshot } from "../../../lib/cli/top/panels.ts";
import { keysIn } from "../../../lib/cli/top/screen.ts";
import { tableLines } from "../../../lib/cli/top/table.ts";
import { TopView } from "../../../lib/cli/top/view.ts";
import type { ClientJson } from "../../../lib/net/client_list.ts";

const SIZE = { columns: 110, rows: 24 };

function daemonAt(nowMs: number, metrics: MetricsJson): DaemonJson {
  const service = { enabled: true, self: false, addresses: [], sinceMs: 0, problems: [] };
  const rest = { actions: [], console: false };
  const job = { id: 3, input: "in", output: "out\x1b[2J", result: "", state: "running" };
  const progress = [{ node: 1, phase: "sort", doneBytes: 25, totalBytes: 100 }];
  const mesh = { jobs: [{ ...job, progress }], up: [0, 1] };
  return {
    nowMs,
    startedMs: 0,
    version: "1.2.3",
    state: "ready",
    reasons: [],
    lastReload: { successful: true, successMs: 0 },
    readOnly: null,
    hasSession: false,
    services: [
      { ...service, ...rest, name: "echo", running: true, status: null },
      { ...service, ...rest, name: "kv", running: false, enabled: false, status: null },
      { ...service, ...rest, name: "task", running: true, status: null },
      { ...service, ...rest, name: "mesh", running: true, status: mesh },
    ],
    metrics,
    log: { lines: [], position: 0 },
  };
}

function metricsOf(messages: number): MetricsJson {
  const jobs = (tube: string, state: string, value: number) => ({ labels: { tube, state }, value });
  return {
    quartet_echo_messages_total: [{ labels: {}, value: messages }],
    quartet_connections: [{ labels: { service: "echo" }, value: 2 }],
    quartet_task_jobs: [
      jobs("mail", "ready", 4),
      jobs("mail", "buried", 1),
      jobs("big", "ready", 9),
    ],
    quartet_bus_subject_messages_total: [
      { labels: { subject: "still" }, value: 900 },
      { labels: { subject: "busy" }, value: messages },
    ],
  };
}

function snapshot(): Snapshot {
  const [before, daemon] = [daemonAt(1000, metricsOf(0)), daemonAt(3000, metricsOf(80))];
  return { daemon, interval: new Interval(before, daemon) };
}

function client(id: number, ageMs: number, receivedBytes: number, name = ""): ClientJson {
  const place = { port: "127.0.0.1:7000", address: `10.0.0.1:${id}`, protocol: "NATS" };
  return { ...place, id, name, ageMs, receivedBytes, sentBytes: 0, state: "idle" };
}

function textOf(view: TopView, size = SIZE): string {
  return view.lines("127.0.0.1:8088", size).map(({ text }) => text.trimEnd()).join("\n");
}

Deno.test("TopView shows services with rates, and the clients of one", () => {
  const view = new TopView();
  assert.equal(view.wanted, undefined);
  view.show(snapshot());
  assert.deepEqual(view.wanted, { service: "echo", order: "id" });
  view.showClients({ clients: [client(1, 1000, 0, "tram\x1b[31m\n4")], total: 1, unsorted: false });
  view.showClients({
    clients: [client(1, 3000, 4096, "tram\x1b[31m\n4")],
    total: 5,
    unsorted: false,
  });
  const text = textOf(view);
  assert.match(text, /^quartet 1\.2\.3 at 127\.0\.0\.1:8088: ready, up 3 s/);
  assert.match(text, /\necho +running +2 .* 40 /);
  assert.match(text, /\nkv +off\n/);
  assert.match(text, /\ntask .* 13 ready, 0 reserved, 0 delayed, 1 buried\n/);
  assert.match(text, /\nmesh .* 2 nodes up, job 3 is running\n/);
  assert.match(text, /1 \[1 of 5 clients of echo, newest first\] {2}2 tubes/);
  assert.match(text, /\n 1 +10\.0\.0\.1:1 +tram\\x1b\[31m 4 +NATS +idle +3 s +2\.00 KiB +0 B/);
  // deno-lint-ignore no-control-regex -- none must reach the terminal
  assert.doesNotMatch(text, /[\0-\x09\x0b-\x1f\x7f]/);
});

Deno.test("TopView: keys select the panel, the service and the order", () => {
  const view = new TopView();
  view.show(snapshot());
  assert.equal(view.press("x"), false);
  assert.equal(view.press("right"), true);
  assert.equal(view.press("s"), true);
  assert.deepEqual(view.wanted, { service: "task", order: "received" });
  view.press("left");
  view.press("left");
  assert.deepEqual(view.wanted, { service: "mesh", order: "received" });
  view.press("tab");
  assert.equal(view.wanted, undefined);
  assert.match(
    textOf(view),
    /TUBE +READY +RESERVED +DELAYED +BURIED\nbig +9 .*\nmail +4 +0 +0 +1\n/,
  );
  view.press("3");
  assert.match(textOf(view), /SUBJECT\n +40\/s +80 {2}busy\n +0\/s +900 {2}still\n/);
  view.press("4");
  assert.match(textOf(view), /3 {2}running {2}1: sort 25 % {2}in → out\\x1b\[2J\n/);
  view.press("back");
  view.press("1");
  view.showClients("127.0.0.1:8088: This token may look, but not change anything.");
  assert.match(textOf(view), /\n127\.0\.0\.1:8088: This token may look/);
});

Deno.test("TopView says that the daemon is gone, since when, and goes on", () => {
  const view = new TopView();
  view.lose("nothing listens there", Date.UTC(2026, 0, 1, 12));
  view.lose("no reply within 5 s", Date.UTC(2026, 0, 1, 13));
  const since = new Date(Date.UTC(2026, 0, 1, 12)).toTimeString().slice(0, 8);
  assert.match(
    textOf(view),
    new RegExp(`No answer since ${since}\\. Trying again…\nno reply within 5 s\n`),
  );
  view.show(snapshot());
  assert.doesNotMatch(textOf(view), /No answer/);
  view.show({ ...snapshot(), interval: undefined });
  assert.match(textOf(view), /\necho +running +2 +– +– +–/);
});

Deno.test("TopView fits into any terminal, and its last row names the keys", () => {
  const view = new TopView();
  view.show(snapshot());
  const clients = Array.from({ length: 100 }, (_, i) => client(i, 1000, 5));
  view.showClients({ clients, total: 100, unsorted: false });
  for (const columns of [1, 20, 40, 80, 200]) {
    for (const rows of [1, 5, 24, 60]) {
      const lines = view.lines("127.0.0.1:8088", { columns, rows });
      assert.ok(lines.length <= rows, `${lines.length} of ${rows} rows`);
      assert.ok(lines.every(({ text }) => text.length <= columns), `${columns} columns`);
      if (columns >= 20 && rows > 1) assert.match(lines.at(-1)!.text, /^q quit/);
    }
  }
});

Deno.test("tableLines() leaves out the columns of lowest rank until the rest fits", () => {
  const columns = [{ head: "A" }, { head: "BB", rank: 2 }, { head: "C", rank: 1, right: true }];
  const rows = [["a", "b", "100"], ["aa", "", "1"]];
  assert.deepEqual(tableLines(columns, rows, 80), ["A   BB    C", "a   b   100", "aa        1"]);
  assert.deepEqual(tableLines(columns, rows, 8), ["A   BB", "a   b", "aa"]);
  assert.deepEqual(tableLines(columns, rows, 2), ["A", "a", "aa"]);
  assert.deepEqual(tableLines(columns, rows, 1), ["A", "a", "a"]);
});

Deno.test("ClientRates compares each client with itself on the last list", () => {
  const rates = new ClientRates();
  const [first] = rates.rate([client(1, 1000, 100)]);
  assert.deepEqual([first!.receivedRate, first!.sentRate], [null, null]);
  const second = rates.rate([client(2, 10, 5), client(1, 1500, 200)]);
  assert.deepEqual(second.map(({ receivedRate }) => receivedRate), [null, 200]);
  rates.reset();
  assert.equal(rates.rate([client(1, 2000, 300)])[0]!.receivedRate, null);
});

Deno.test("keysIn() tells keys from characters", () => {
  assert.deepEqual(keysIn("q\x1b[C\x1bOD\t1\x1b[Z\x03é"), [
    ...["q", "right", "left", "tab", "1", "back", "interrupt", "é"],
  ]);
  assert.deepEqual(keysIn("\x1b[15~s\x1b"), ["\x1b[15~", "s", "escape"]);
  assert.deepEqual(keysIn(""), []);
});
