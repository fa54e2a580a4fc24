import assert from "node:assert/strict";
import { tokenDigest } from "../../lib/auth.ts";
import { check } from "../../lib/cli/check.ts";
import { parseCommandLine } from "../../lib/cli/command.ts";
import { asPreview, isDisruptive, previewLines } from "../../lib/cli/reload_diff.ts";
import { token } from "../../lib/cli/token.ts";
import type { ReloadPreview, ServicePreview } from "../../lib/service.ts";
import { runHere } from "../support/command_line.ts";
import { makeTempDirectory } from "../support/temp_directory.ts";

const OPEN = '[task]\nmax_attempts = 25\n[kv]\nlisten = "0.0.0.0:8081"\ninsecure = true\n';

Deno.test("quartet check: advises a limit per address beyond loopback, and still exits with 0", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/q.toml`;
  await Deno.writeTextFile(file, OPEN);
  const open = await runHere(["check", "--config", file]);
  assert.equal(open.code, 0);
  assert.equal(
    open.stderr,
    "Advice: kv.max_clients_per_address: no limit, and other machines can connect to " +
      "0.0.0.0:8081: one host could take every connection. Set a limit, unless all clients " +
      "share one address (NAT, a proxy)\n",
  );
  assert.match(open.stdout, /^max_clients_per_address = 0$/m);
  await Deno.writeTextFile(file, `${OPEN}max_clients_per_address = 50\n`);
  const limited = await runHere(["check", "--config", file]);
  assert.deepEqual([limited.code, limited.stderr], [0, ""]);
});

Deno.test("quartet check: advises a limit on attempts, unless task is switched off", async () => {
  await using directory = await makeTempDirectory();
  const file = `${directory.path}/q.toml`;
  await Deno.writeTextFile(file, "");
  const { code, stderr } = await runHere(["check", "--config", file]);
  assert.equal(code, 0);
  assert.match(stderr, /^Advice: task\.max_attempts: no limit: a job that always fails .*\n$/);
  const off = await runHere(["check", "--config", file, "--set", "task.enabled=false"]);
  assert.deepEqual([off.code, off.stderr], [0, ""]);
});

Deno.test("quartet check: a file that cannot be read is one line that says why", async () => {
  await using directory = await makeTempDirectory();
  const cases = [
    [`${directory.path}/missing.toml`, 'no such file or directory; "quartet init" writes one'],
    [directory.path, "it is a directory"],
  ] as const;
  for (const [file, reason] of cases) {
    const { code, stderr } = await runHere(["check", "--config", file]);
    assert.deepEqual([code, stderr], [78, `Cannot read "${file}": ${reason}\n`]);
  }
});

Deno.test("quartet token new: prints a token, and its hash for a configuration that check accepts", async () => {
  await using directory = await makeTempDirectory();
  const { code, stdout, stderr } = await runHere(["token", "new", "--name", "app"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const [secret, ...lines] = stdout.trimEnd().split("\n");
  assert.match(secret!, /^[0-9a-f]{64}$/);
  const hash = tokenDigest(secret!).toHex();
  assert.deepEqual(lines, ["[auth.tokens.app]", `hash = "sha256:${hash}"`]);
  const file = `${directory.path}/q.toml`;
  const services = 'services = { kv = { read = ["app:*"] }, task = "all" }';
  await Deno.writeTextFile(file, [...lines, services, "[task]", "max_attempts = 25"].join("\n"));
  const checked = await runHere(["check", "--config", file]);
  assert.deepEqual([checked.code, checked.stderr], [0, ""]);
  assert.match(checked.stdout, /^\[auth\.tokens\.app\.services\.kv\]\nread = \[ "app:\*" \]$/m);
});

Deno.test("quartet token: says what is wrong with its command line", async () => {
  const cases = [[["old"], '"old" is not an action'], [
    ["new", "--name", "a b"],
    "--name needs",
  ]] as const;
  for (const [words, problem] of cases) {
    const wrong = token.run(parseCommandLine(token, words));
    await assert.rejects(wrong, (error: Error) => error.message.startsWith(problem));
  }
});

/** The preview of a reload with one service. */
function previewOf(
  service: Partial<ServicePreview>,
  lists: Partial<ReloadPreview> = {},
): ReloadPreview {
  const tokens = { added: [], removed: [], changed: [] };
  const same: ServicePreview = {
    ...{ name: "kv", action: "keep", keys: [], waits: false, tokens, closes: 0 },
    ...service,
  };
  return { faults: [], services: [same], keysAtOnce: [], keysForNextStart: [], ...lists };
}

Deno.test("quartet check --diff: one line per service, and whether it disturbs anybody", () => {
  const keys = ["listen", "queue"];
  const tokens = { added: ["a"], removed: ["b", "c"], changed: ["d"] };
  const atOnce = { keysAtOnce: ["log.level"] };
  const later = { keysForNextStart: ["bus"] };
  const cases: [ReloadPreview, string, boolean][] = [
    [previewOf({}), "kv  keeps running", false],
    [
      previewOf({ action: "adjust", keys }),
      "kv  keeps running, with a new value of listen, queue",
      false,
    ],
    [
      previewOf({ action: "restart", keys, waits: true, closes: 1 }),
      "kv  restarts because of listen, queue; waits for the work in progress, if it is long; " +
      "closes 1 connection",
      true,
    ],
    [previewOf({ action: "restart" }), "kv  restarts", true],
    [previewOf({ action: "start" }), "kv  starts", false],
    [previewOf({ action: "stop", keys: ["enabled"] }), "kv  stops", true],
    [previewOf({ action: "off" }), "kv  stays off", false],
    [
      previewOf({ tokens, closes: 2 }),
      "kv  keeps running; new token a; changed token d; removed tokens b, c; closes 2 connections",
      true,
    ],
    [previewOf({}, atOnce), "kv  keeps running\nlog.level changes at once", false],
    [
      previewOf({}, later),
      "kv  keeps running\nbus changes only when the daemon is started again",
      true,
    ],
  ];
  for (const [preview, lines, disruptive] of cases) {
    assert.equal(previewLines(preview).join("\n"), lines);
    assert.equal(isDisruptive(preview), disruptive, lines);
    assert.deepEqual(asPreview(JSON.parse(JSON.stringify(preview))), preview);
  }
  for (const reply of [{}, [], null, { ...previewOf({}), services: [{ name: "kv" }] }]) {
    assert.equal(asPreview(reply), undefined);
  }
});

Deno.test("quartet check: says which options do not go together", async () => {
  const cases = [
    [["--diff", "--storage"], "--diff and --storage exclude each other"],
    [["--address", "127.0.0.1:1"], "--address needs --diff"],
    [["--insecure"], "--insecure needs --diff"],
  ] as const;
  for (const [words, message] of cases) {
    await assert.rejects(check.run(parseCommandLine(check, words)), {
      name: "UsageError",
      message,
    });
  }
});
