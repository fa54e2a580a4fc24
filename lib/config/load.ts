/**
 * From the text of a file to a configuration that has passed all checks, or to everything that is
 * wrong with it.
 *
 * @module
 */

import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import type { Service } from "../service.ts";
import { nearestWord } from "../nearest_word.ts";
import { openAddresses, sharedAddresses } from "./addresses.ts";
import { type AuthConfig, createGuards } from "./auth.ts";
import { redacted } from "../storage/url.ts";
import { substitute } from "./environment.ts";
import { keyLines } from "./key_lines.ts";
import { type Config, configSchema } from "./schema.ts";
import { formatKeyPath, type KeyPath, keysAt, passedOver, withDefaults } from "./walk.ts";

/** What is wrong with a configuration, all of it. */
export class ConfigError extends Error {
  override name = "ConfigError";
  /** A line a fault: where, what was found, what is allowed. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** Where a configuration comes from. */
export interface ConfigSource {
  /** The name of the file, for messages. */
  file: string;
  /** What the file says, in TOML. */
  text: string;
  /** What is set on top of the file, each as "key.path=value". */
  overrides?: readonly string[];
  /** Looks up a variable of the environment. */
  env: (name: string) => string | undefined;
  /** Reads a file that the configuration names. */
  readFile: (file: string) => string;
}

/** A configuration and what it was made from. */
export interface LoadedConfig {
  config: Config;
  /** What was in force: the file's own words, the defaults added. */
  effective: Record<string, unknown>;
}

/**
 * Reads a configuration.
 *
 * @param source Where it comes from.
 * @param services The services that can have a section.
 * @throws {ConfigError} If anything is wrong with it.
 */
export function loadConfig(source: ConfigSource, services: readonly Service[]): LoadedConfig {
  const faults: string[] = [];
  const lines = keyLines(source.text);
  const overridden = new Set<string>();
  const place = (path: KeyPath) => {
    const name = formatKeyPath(path);
    if (overridden.has(name)) return `--set ${name}`;
    const line = lines.get(name);
    return `${source.file}${line === undefined ? "" : `:${line}`}: ${name}`;
  };

  const input = parseFile(source);
  for (const override of source.overrides ?? []) {
    const path = applyOverride(input, override);
    if (path === undefined) {
      faults.push(`--set ${override}: expected key.path=value, such as echo.queue=50`);
    } else overridden.add(formatKeyPath(path));
  }
  substitute(input, source.env, (path, found) => faults.push(`${place(path)}: ${found}`));

  const schema = configSchema(services);
  const result = v.safeParse(schema, input);
  for (const issue of result.issues ?? []) {
    const path = (issue.path ?? []).map((item) => item.key as string);
    faults.push(`${place(path)}: ${describe(issue, path, schema)}`);
  }
  if (result.success) {
    for (const path of passedOver(input, result.output)) {
      faults.push(`${place(path)}: "${path.at(-1)}" cannot be used as a name`);
    }
  }
  if (faults.length > 0 || !result.success) throw new ConfigError(faults);

  const { auth, ...sections } = result.output;
  const config = toConfig(sections, auth as AuthConfig, source, faults);
  faults.push(...sharedAddresses(config, services), ...openAddresses(config, services));
  if (faults.length > 0) throw new ConfigError(faults.map((fault) => `${source.file}: ${fault}`));
  return { config, effective: withDefaults(schema, input) as Record<string, unknown> };
}

function toConfig(
  sections: Record<string, unknown>,
  auth: AuthConfig,
  source: ConfigSource,
  faults: string[],
): Config {
  const { daemon, log, storage, ...services } = sections;
  const tokenFiles = Object.values(auth.tokens).flatMap(({ file }) => file ?? []);
  let guard: Config["guard"] = () => undefined;
  try {
    guard = createGuards(auth, source);
  } catch (error) {
    faults.push((error as Error).message);
  }
  return { daemon, log, storage, services, guard, tokenFiles } as Config;
}

function parseFile({ file, text }: ConfigSource): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.replace(/^Invalid TOML document: /, "").split("\n")[0];
    throw new ConfigError([`${file}:${error.line}:${error.column}: not TOML: ${what}`]);
  }
}

/** Sets one value; returns its path, or `undefined` if the override has no such form. */
function applyOverride(input: Record<string, unknown>, override: string): KeyPath | undefined {
  const match = /^([\w-]+(?:\.[\w-]+)+)=(.*)$/s.exec(override);
  if (match === null) return undefined;
  const path = match[1]!.split(".");
  let at = input;
  for (const key of path.slice(0, -1)) {
    if (typeof at[key] !== "object") at[key] = {};
    at = at[key] as Record<string, unknown>;
  }
  at[path.at(-1)!] = parseValue(match[2]!);
  return path;
}

/** A value as on the command line: TOML where it is, else a text that needs no quotes. */
function parseValue(text: string): unknown {
  try {
    return parse(`value = ${text}`).value;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return text;
  }
}

function describe(issue: v.BaseIssue<unknown>, path: KeyPath, schema: v.GenericSchema): string {
  if (issue.type === "strict_object" && issue.expected === "never") {
    const known = keysAt(schema, path.slice(0, -1));
    const nearest = nearestWord(String(path.at(-1)), known);
    if (nearest !== undefined) return `unknown key, did you mean "${nearest}"?`;
    return `unknown key, known here: ${known.join(", ")}`;
  }
  if (issue.input === undefined) return "missing";
  const isSection = issue.type === "strict_object" || issue.type === "record";
  return `found ${show(issue.input)}, allowed is ${
    isSection ? "a section with keys" : issue.message
  }`;
}

/** A value as people read it, without a password. */
function show(value: unknown): string {
  return typeof value === "number" ? String(value) : JSON.stringify(redacted(value));
}
