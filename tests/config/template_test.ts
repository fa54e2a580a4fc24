import assert from "node:assert/strict";
import { CONFIG_TEMPLATE } from "../../lib/cli/config_template.ts";
import { loadConfig } from "../../lib/config/load.ts";
import {
  COMMENTED,
  type ManualEntry,
  parseManual,
  SHARED_HEADER,
  SHARED_SECTION,
} from "../../lib/config/manual.ts";
import { configSchema } from "../../lib/config/schema.ts";
import { SERVICE_KEYS } from "../../lib/config/service_keys.ts";
import { formatKeyPath, keysAt } from "../../lib/config/walk.ts";
import { SERVICES } from "../../lib/services.ts";

/** The values of a file, defaults included. */
function load(text: string) {
  // Tokens of the examples are in files that this machine does not have.
  const readFile = () => "a-token-of-an-example";
  return loadConfig({ file: "q.toml", text, env: () => undefined, readFile }, SERVICES).effective;
}

/** All keys of the file; those shared by all services are in a section "shared". */
function entries(): ManualEntry[] {
  return parseManual(CONFIG_TEMPLATE).entries.filter(({ value }) => value !== undefined);
}

function valueAt(table: unknown, path: readonly string[]): unknown {
  return path.reduce((at, key) => (at as Record<string, unknown> | undefined)?.[key], table);
}

const isShared = ({ path }: ManualEntry) => path[0] === SHARED_SECTION;

Deno.test("config.toml: every value that it sets is the default", () => {
  const defaults = load("");
  for (const { path, value, commented } of entries()) {
    if (!commented) assert.deepEqual(value, valueAt(defaults, path), formatKeyPath(path));
  }
  assert.deepEqual(load(CONFIG_TEMPLATE), defaults);
});

Deno.test("config.toml: the keys shared by all services have the defaults that it gives", () => {
  const all = entries();
  const shared = all.filter(isShared).map(({ path, value }) => ({ key: path[1]!, value }));
  assert.deepEqual(shared.map(({ key }) => key).sort(), Object.keys(SERVICE_KEYS).sort());
  const defaults = load("");
  for (const { name } of SERVICES) {
    for (const { key, value } of shared) {
      const own = all.find(({ path, commented }) => !commented && `${path}` === `${[name, key]}`);
      const expected = key === "tls" ? undefined : own?.value ?? value;
      assert.deepEqual(valueAt(defaults, [name, key]), expected, `${name}.${key}`);
    }
  }
});

Deno.test("config.toml: what is commented out is valid, and unset by default", () => {
  const isInclude = ({ path }: ManualEntry) => `${path}` === "include";
  const examples = entries().filter((entry) =>
    entry.commented && !isShared(entry) && !isInclude(entry)
  );
  assert.ok(examples.length >= 9, `${examples.length} examples`);
  const defaults = load("");
  for (const { path } of examples) {
    assert.equal(valueAt(defaults, path), undefined, formatKeyPath(path));
  }
  const [before, shared] = CONFIG_TEMPLATE.split(`# ${SHARED_HEADER}`) as [string, string];
  const withExamples = (text: string) => text.replaceAll(new RegExp(COMMENTED, "gm"), "");
  const after = shared.slice(shared.indexOf("\n\n"));
  const effective = load(withExamples(before) + withExamples(after));
  for (const { path, value } of examples) {
    assert.deepEqual(valueAt(effective, path), value, formatKeyPath(path));
  }
});

Deno.test("config.toml: no key is left out", () => {
  const schema = configSchema(SERVICES);
  const shown = new Set(entries().map(({ path }) => path.join(".")));
  const services = new Set(SERVICES.map(({ name }) => name));
  const isShown = (path: readonly string[]): boolean => {
    if (shown.has(path.join("."))) return true;
    if (services.has(path[0]!) && shown.has(`shared.${path[1]}`)) return true;
    return [...shown].some((other) => other.startsWith(`${path.join(".")}.`));
  };
  const sections = keysAt(schema, []).map((name) => [name]);
  // The second example of a schedule has the key that excludes another one.
  sections.push(["task", "schedule", "0"]);
  if (shown.has("task.schedule.1.every")) shown.add("task.schedule.0.every");
  // The second example of a token has the key that excludes the others.
  if (shown.has("auth.tokens.app.hash")) shown.add("auth.tokens.reports.hash");
  sections.push(["task", "generator"], ["task", "tubes", "mail"], ["auth", "tokens", "reports"]);
  for (const section of sections) {
    for (const key of keysAt(schema, section)) {
      const path = [...section, key];
      assert.ok(isShown(path) || `${path}` === "auth,tokens,reports,env", formatKeyPath(path));
    }
  }
});

Deno.test("config.toml: every key has a comment before it", () => {
  let explained = false;
  for (const line of CONFIG_TEMPLATE.split("\n")) {
    if (line === "" || line.startsWith("[")) explained = false;
    else if (line.startsWith("#")) explained = true;
    else if (!/^(enabled|listen) =/.test(line)) assert.ok(explained, `no comment for: ${line}`);
  }
});
