import assert from "node:assert/strict";
import { tokenDigest } from "../../lib/auth.ts";
import { createGuards } from "../../lib/config/auth.ts";
import { ConfigError, loadConfig } from "../../lib/config/load.ts";
import { SERVICES } from "../../lib/services.ts";

const TOKEN = "a-good-token";
const HASH = `sha256:${tokenDigest(TOKEN).toHex()}`;

function load(text: string) {
  const source = { file: "q.toml", text, readFile: () => `${TOKEN}\n` };
  const env = (name: string) => name === "TOKEN" ? TOKEN : undefined;
  return loadConfig({ ...source, env }, SERVICES);
}

function faults(text: string): readonly string[] {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

/** What one token may do. */
function rightsOf(services: string) {
  const { config } = load(`[auth.tokens.app]\nenv = "TOKEN"\nservices = ${services}\n`);
  return (service: string) => config.guard(service)?.find(TOKEN)?.rights;
}

Deno.test("[auth]: services are a list, or a table of what the token may do", () => {
  const listed = rightsOf('["kv", "task"]');
  assert.deepEqual([listed("kv"), listed("task"), listed("echo")], [null, null, undefined]);
  const rights = rightsOf(
    '{ kv = { read = ["app:*", "größe"] }, task = { put = ["mail"] }, mesh = ["status"], ' +
      'echo = { publish = ["a.*"], subscribe = ["b.>"] }, admin = "look" }',
  );
  assert.ok(rights("kv")!.allows("read", "app:1") && !rights("kv")!.allows("read", "ap"));
  assert.ok(!rights("kv")!.allows("write", "app:1"));
  // Keys have one character per byte.
  assert.ok(rights("kv")!.allows("read", "gr\xc3\xb6\xc3\x9fe"));
  assert.ok(rights("task")!.allows("put", "mail") && !rights("task")!.allows("work", "mail"));
  assert.ok(rights("echo")!.allows("publish", "a.b") && !rights("echo")!.allows("publish", "a"));
  assert.ok(rights("echo")!.allowsAll("subscribe", "b.*"));
  assert.ok(rights("mesh")!.allows("status") && !rights("mesh")!.allows("submit"));
  assert.ok(rights("admin")!.allows("look") && !rights("admin")!.allows("act"));
  const mixed = rightsOf('{ kv = "all", admin = "act" }');
  assert.equal(mixed("kv"), null);
  assert.ok(mixed("admin")!.allows("act") && mixed("admin")!.allows("look"));
  assert.equal(mixed("task"), undefined);
});

Deno.test("[auth]: a fault in the rights is reported where it is", () => {
  const at = (services: string) =>
    faults(`[auth.tokens.app]\nenv = "TOKEN"\nservices = ${services}\n`).map((fault) =>
      fault.replace(/^q\.toml:3: auth\.tokens\.app\./, "")
    );
  const patterns = "allowed is a list of 1 to 100 patterns";
  const cases: [services: string, fault: string | RegExp][] = [
    ["5", "services: found 5, allowed is a list of services, or a table"],
    ["[]", "services: found [], allowed is a list of at least one service"],
    ['["kvv"]', /^services\.0: found "kvv", allowed is one of "echo", "kv", /],
    ["{}", "services: found {}, allowed is a table with at least one service"],
    ["{ kvv = 1 }", 'services.kvv: unknown key, did you mean "kv"?'],
    [
      '{ kv = "some" }',
      'services.kv: found "some", allowed is a table with "read", "write", "publish", "subscribe", or "all"',
    ],
    [
      "{ kv = {} }",
      'services.kv: found {}, allowed is a table with at least one of "read", "write", "publish", "subscribe"',
    ],
    ["{ kv = { reed = [] } }", 'services.kv.reed: unknown key, did you mean "read"?'],
    ["{ kv = { read = [] } }", `services.kv.read: found [], ${patterns}`],
    ['{ kv = { read = "app:*" } }', `services.kv.read: found "app:*", ${patterns}`],
    [
      '{ kv = { read = [""] } }',
      'services.kv.read.0: found "", allowed is a pattern of 1 to 1024 characters, such as "app:*"',
    ],
    [
      '{ echo = { publish = ["a..b"] } }',
      'services.echo.publish.0: found "a..b", allowed is a subject, with the wildcards of the bus: "orders.*", "orders.>"',
    ],
    ['{ mesh = ["sort"] }', 'services.mesh.0: found "sort", allowed is one of "submit", "status"'],
    ['{ admin = "read" }', 'services.admin: found "read", allowed is "look", "act" or "all"'],
  ];
  for (const [services, expected] of cases) {
    const [fault, ...others] = at(services);
    assert.deepEqual(others, [], services);
    if (typeof expected === "string") assert.equal(fault, expected);
    else assert.match(fault!, expected);
  }
});

Deno.test("[auth]: a token can be given by its hash, which opens everything but mesh", async () => {
  const token = (name: string, keys: string) => `[auth.tokens.${name}]\n${keys}\n`;
  const { config } = load(token("app", `hash = "${HASH}"\nservices = ["kv"]`));
  assert.equal(await config.guard("kv")!.checkInTurn(TOKEN, "h"), "right");
  assert.equal(await config.guard("kv")!.checkInTurn(HASH, "h"), "wrong");
  assert.deepEqual(config.tokenFiles, []);
  const hashed = (services: string) => token("app", `hash = "${HASH}"\nservices = ${services}`);
  for (const services of ['["kv", "mesh"]', '{ mesh = ["status"] }']) {
    assert.deepEqual(faults(hashed(services)), [
      "q.toml:1: auth.tokens.app: a hash cannot open mesh, whose nodes prove that they know the " +
      "token itself: use file or env",
    ]);
  }
  // The proof is made with the hash, so it must not be in the file by another name either.
  const nodes = token("nodes", 'env = "TOKEN"\nservices = ["mesh"]');
  assert.deepEqual(faults(nodes + hashed('["kv"]')), [
    'q.toml:5: auth.tokens.app.hash: is the hash of "nodes", which opens mesh: use another one',
  ]);
  const twice = token("other", 'env = "TOKEN"\nservices = ["kv", "task"]');
  assert.deepEqual(faults(hashed('["kv"]') + twice), [
    'q.toml:4: auth.tokens.other: has the same value as "app"',
  ]);
  for (const wrong of [HASH.toUpperCase(), HASH.slice(0, -1), "sha1:00"]) {
    assert.match(
      faults(token("app", `hash = "${wrong}"\nservices = ["kv"]`))[0]!,
      /auth\.tokens\.app\.hash: found .*, allowed is "sha256:"/,
    );
  }
  const both = token("app", `env = "TOKEN"\nhash = "${HASH}"\nservices = ["kv"]`);
  assert.match(faults(both)[0]!, /needs exactly one of file, env and hash/);
});

Deno.test("[auth]: a token with limited rights makes no proof for a mesh", () => {
  const services = '{ mesh = ["submit", "status"] }';
  const text = `[auth.tokens.app]\nenv = "TOKEN"\nservices = ${services}\n`;
  const nodes = '[mesh]\nlisten = "127.0.0.1:1"\nnodes = ["127.0.0.1:1", "127.0.0.1:2"]\n';
  assert.deepEqual(faults(text + nodes), [
    "q.toml:4: mesh: the nodes of mesh need one token without limited rights, to recognise " +
    'each other: add one with services = ["mesh"]',
  ]);
  assert.deepEqual(faults(text.replace(services, '["mesh"]') + nodes), []);
  const guard = load(text).config.guard("mesh")!;
  assert.deepEqual(guard.prove("a"), []);
  assert.ok(
    !guard.isProof(load(text.replace(services, '["mesh"]')).config.guard("mesh")!.prove("a"), "a"),
  );
});

Deno.test("createGuards(): wrong tokens at one service do not affect another", async () => {
  const guards = createGuards(
    {
      max_failures: 1,
      failure_window: 60_000,
      login_timeout: 100,
      on_revoke: "close",
      tokens: { all: { env: "TOKEN", services: new Map([["kv", null], ["admin", null]]) } },
    },
    { env: () => "a-good-token", readFile: () => "" },
    ({ message }) => assert.fail(message),
  );
  assert.equal(await guards("kv")!.checkInTurn("wrong", "h"), "wrong");
  assert.equal(await guards("kv")!.checkInTurn("a-good-token", "h"), "blocked");
  assert.equal(await guards("admin")!.checkInTurn("a-good-token", "h"), "right");
});
