import assert from "node:assert/strict";
import { Ajv, type AnySchemaObject } from "ajv";
import type { JsonSchema } from "@valibot/to-json-schema";
import { parse } from "smol-toml";
import { CONFIG_TEMPLATE } from "../../lib/cli/config_template.ts";
import { SCHEMA_FILE, schemaText } from "../../lib/cli/schema.ts";
import { ConfigError, loadConfig } from "../../lib/config/load.ts";
import { COMMENTED, SHARED_HEADER } from "../../lib/config/manual.ts";
import { SERVICES } from "../../lib/services.ts";

const SCHEMA = JSON.parse(schemaText()) as JsonSchema;
const matches = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(
  SCHEMA as AnySchemaObject,
);

/** What the schema says about a file; empty if nothing. */
function faults(text: string): string {
  // The parser's tables have no prototype, which the validator expects.
  if (matches(structuredClone(parse(text)))) return "";
  return matches.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`).join(
    "\n",
  );
}

/** What `quartet check` says about a file. */
function checkFaults(text: string): string {
  const readFile = () => "a-token-of-an-example";
  const env = () => "a-token-of-the-environment";
  try {
    loadConfig({ file: "q.toml", text, env, readFile }, SERVICES);
    return "";
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

/** The schema of a place. */
function at(...path: string[]): JsonSchema {
  return path.reduce((node, key) => {
    const { properties, additionalProperties } = node;
    return (properties?.[key] ?? additionalProperties) as JsonSchema;
  }, SCHEMA);
}

/** All schemas inside a schema, itself included, with the keys that lead to them. */
function* nodes(value: unknown, path: string[] = []): Generator<[string, JsonSchema]> {
  if (typeof value !== "object" || value === null) return;
  yield [path.join("."), value as JsonSchema];
  for (const [key, part] of Object.entries(value)) yield* nodes(part, [...path, key]);
}

Deno.test("editorSchema: config.toml is valid, and so are all its examples", () => {
  assert.equal(faults(CONFIG_TEMPLATE), "");
  const [before, shared] = CONFIG_TEMPLATE.split(`# ${SHARED_HEADER}`) as [string, string];
  const text = before + shared.slice(shared.indexOf("\n\n"));
  const examples = text.replaceAll(new RegExp(COMMENTED, "gm"), "");
  assert.match(examples, /^include = /m);
  assert.equal(faults(examples), "");
  assert.ok(CONFIG_TEMPLATE.startsWith(`#:schema ${SCHEMA_FILE}\n`));
});

Deno.test("editorSchema: defaults and explanations are those of the code and of config.toml", () => {
  assert.equal(at("kv", "max_value").default, "64MiB");
  assert.match(at("kv", "max_value").description!, /^The maximum size of a value, and of one /);
  assert.match(at("mesh", "tls").description!, /^TLS is for all nodes or for none/);
  assert.match(at("echo", "tls").description!, /^With this one, which is unset,/);
  assert.equal(
    at("kv", "insecure").description,
    "true lets other machines connect without a token",
  );
  assert.match(at("kv", "request_timeout").description!, /begun \(a line, or a command with its/);
  assert.match(at("auth", "tokens", "any").description!, /^One section.*\n\nInstead of the value/s);
  const [schedule] = [at("task", "schedule").items as JsonSchema];
  assert.match(schedule!.description!, /^Schedules put jobs at their times;/);
  assert.match(at("include").description!, /^Other files/);
  assert.match(at("echo").description!, /^echo: a bus\./);
});

Deno.test("editorSchema: no table takes unknown keys", () => {
  let tables = 0;
  for (const [path, { type, properties, additionalProperties }] of nodes(SCHEMA)) {
    if (type !== "object") continue;
    tables++;
    assert.equal(additionalProperties === false, properties !== undefined, path);
  }
  assert.ok(tables > 20, `${tables} tables`);
});

Deno.test("editorSchema: its patterns mean the same to other regular expressions", () => {
  const patterns = [...nodes(SCHEMA)].flatMap(([, { pattern }]) => pattern ?? []);
  assert.ok(patterns.length > 50, `${patterns.length} patterns`);
  for (const pattern of patterns.filter((pattern) => typeof pattern === "string")) {
    // Those of Rust know no escaped slash, no look-around, and take "[" in a class for another one.
    assert.doesNotMatch(pattern, /\\\/|\(\?[=!<]/);
    for (const [characters] of pattern.matchAll(/(?<!\\)\[(?:\\.|[^\]\\])*\]/g)) {
      assert.doesNotMatch(characters.slice(1), /(?<!\\)\[/, pattern);
    }
  }
});

/** Files that are wrong for a reason that concerns one value or the keys of one table. */
const WRONG: Record<string, string> = {
  "an unknown section": "[ech]\n",
  "a key outside sections": 'listen = "127.0.0.1:80"\n',
  "an unknown key": '[echo]\nlisen = "127.0.0.1:80"\n',
  "an unknown key of an inner table": "[task.generator]\nevry = 1\n",
  "a number as text": '[echo]\nqueue = "5"\n',
  "a number with a fraction": "[echo]\nqueue = 1.5\n",
  "a number that is too high": "[kv]\nmax_clients = 1000001\n",
  "a number that is too low": "[kv]\nmax_clients = 0\n",
  "a switch as text": '[echo]\nenabled = "yes"\n',
  "a word that is not in the list": '[echo]\nmode = "loud"\n',
  "a size with a blank": '[echo]\nmax_line = "64 KiB"\n',
  "a time without a unit": '[daemon]\ndrain_timeout = "10"\n',
  '"off" where it is not possible': '[daemon]\ndrain_timeout = "off"\n',
  "a rate without a time": '[task]\nrate = "100"\n',
  "an address without a port": '[echo]\nlisten = "127.0.0.1"\n',
  "a text of two lines": '[echo]\nreply = "a\\nb"\n',
  "another database": '[storage]\nurl = "mysql://localhost/quartet"\n',
  "a subject with a blank": '[echo]\nsubject = "a b"\n',
  "a room without a subject": '[[echo.room]]\nlisten = "127.0.0.1:80"\n',
  "an origin with a path": '[echo]\norigins = ["https://chat.example/page"]\n',
  "a proxy by its name": '[kv]\nproxy_protocol = ["proxy.example"]\n',
  "a proxy before mesh": '[mesh]\nproxy_protocol = ["unix"]\n',
  "events of keys that do not exist": '[kv]\nnotify_keyspace_events = "Q"\n',
  "TLS without a key": '[kv]\ntls = { cert = "cert.pem" }\n',
  "a URL of another protocol": '[bus]\nurl = "http://nats.example"\n',
  "no URL at all": "[bus]\nurl = []\n",
  "two places of one secret": '[bus]\ntoken = { file = "a", env = "B" }\n',
  "a password without a user": '[bus]\npassword = { env = "B" }\n',
  "a certificate without its key": '[bus]\ntls = { cert = "cert.pem" }\n',
  "a token without a value": '[auth.tokens.a]\nservices = ["kv"]\n',
  "a token with two values": '[auth.tokens.a]\nfile = "a"\nenv = "B"\nservices = ["kv"]\n',
  "a token for nothing": '[auth.tokens.a]\nfile = "a"\nservices = []\n',
  "a token without services": '[auth.tokens.a]\nfile = "a"\n',
  "a token for another service": '[auth.tokens.a]\nfile = "a"\nservices = ["smtp"]\n',
  "a token with a name that is none": '[auth.tokens."a b"]\nfile = "a"\nservices = ["kv"]\n',
  "a hash that is none": '[auth.tokens.a]\nhash = "sha256:12"\nservices = ["kv"]\n',
  "a table of no rights": '[auth.tokens.a]\nfile = "a"\nservices = {}\n',
  "rights to nothing": '[auth.tokens.a]\nfile = "a"\nservices = { kv = {} }\n',
  "an unknown right": '[auth.tokens.a]\nfile = "a"\nservices = { kv = { reed = ["*"] } }\n',
  "an unknown right at admin": '[auth.tokens.a]\nfile = "a"\nservices = { admin = "peek" }\n',
  "an unknown right at mesh": '[auth.tokens.a]\nfile = "a"\nservices = { mesh = ["look"] }\n',
  "the name of a tube that is none": "[task.tubes.-mail]\nmax_attempts = 1\n",
  "a schedule without a name": '[[task.schedule]]\nevery = "30s"\n',
  "a schedule without a time": '[[task.schedule]]\nname = "a"\n',
  "a schedule with two times": '[[task.schedule]]\nname = "a"\nevery = "30s"\ncron = "* * * * *"\n',
  "a time zone of an interval": '[[task.schedule]]\nname = "a"\nevery = "30s"\ntime_zone = "UTC"\n',
  "an include that is no list": 'include = "conf.d/*.toml"\n',
  "an include with a star in a directory": 'include = ["*/quartet.toml"]\n',
};

for (const [what, text] of Object.entries(WRONG)) {
  Deno.test(`editorSchema: refuses ${what}, as quartet check does`, () => {
    assert.match(checkFaults(text), /^.+$/, "one fault, in one line");
    assert.notEqual(faults(text), "");
  });
}

/** Files that are valid for a reason that a schema could overlook. */
const VALID: Record<string, string> = {
  "an empty file": "",
  "one section, as in an included file": "[kv]\nmax_clients = 5\n",
  "variables": `include = []
[log]
level = "\${LEVEL:-info}"
[echo]
listen = "127.0.0.1:\${PORT:-0}"
max_line = "\${LINE:-64KiB}"
idle_timeout = "\${IDLE:-10s}"
subject = "\${SUBJECT:-echo}"
[storage]
url = "\${STORAGE:-memory:}"
[task]
rate = "\${RATE:-off}"
tube = "\${TUBE:-square}"
[auth.tokens.a]
hash = "\${HASH:-sha256:${"0".repeat(64)}}"
services = { kv = "\${RIGHTS:-all}", admin = "\${ADMIN:-look}" }`,
  "unix sockets":
    '[kv]\nlisten = "unix:/run/quartet/kv.sock"\nproxy_protocol = ["unix"]\ninsecure = true\n',
  "an IPv6 address":
    '[kv]\nlisten = "[::1]:8081"\nproxy_protocol = ["2001:db8::/32"]\ninsecure = true\n',
  "compound times and sizes": '[kv]\nidle_timeout = "1h30m"\nmax_memory = "1.5GiB"\n',
  "several NATS servers": '[bus]\nurl = ["nats://a.example", "tls://[::1]:4222"]\n',
  "a PostgreSQL database": '[storage]\nurl = "postgresql://u:p@h:1/d?sslmode=require"\n',
  "rights of each kind": `[auth.tokens.a]
env = "A"
services = { kv = { read = ["*"] }, mesh = ["status"], echo = "all", admin = "act" }`,
};

for (const [what, text] of Object.entries(VALID)) {
  Deno.test(`editorSchema: accepts ${what}`, () => {
    const source = { file: "q.toml", text, readFile: () => "a-token-of-an-example" };
    const env = (name: string) => name === "A" ? "a-token-of-the-environment" : undefined;
    loadConfig({ ...source, env }, SERVICES);
    assert.equal(faults(text), "");
  });
}
