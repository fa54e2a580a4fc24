/**
 * Turns the text of a file into a checked configuration, or into a list of everything that is wrong
 * with it.
 *
 * @module
 */

import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import type { Service } from "../service.ts";
import { fileErrorReason } from "../file_error.ts";
import { nearestWord } from "../nearest_word.ts";
import { openAddresses, sharedAddresses } from "./addresses.ts";
import { type AuthConfig, createGuards } from "./auth.ts";
import { redacted } from "../storage/url.ts";
import { busConfig, busSecretFiles, type BusSection } from "./bus.ts";
import { substitute } from "./environment.ts";
import type { Fault } from "./fault.ts";
import { includedFiles, JoinedFiles, type ListFiles, parsedFile } from "./included.ts";
import { unprovable } from "./proofs.ts";
import { type Config, configSchema } from "./schema.ts";
import type { SecretSources } from "./secrets.ts";
import {
  formatKeyPath,
  isTable,
  type KeyPath,
  keysAt,
  notTables,
  passedOver,
  valueAt,
  withDefaults,
} from "./walk.ts";

/** A configuration that failed its checks; carries all faults, not just the first. */
export class ConfigError extends Error {
  override name = "ConfigError";
  /** One line per fault: where it is, what was found, what is allowed. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** Where a configuration comes from. */
export interface ConfigSource extends SecretSources {
  /** The name of the file, for messages. */
  file: string;
  /** The content of the file, in TOML. */
  text: string;
  /** The names of the files in a directory, for `include`; throws if it cannot be read. */
  listFiles?: ListFiles;
  /** Values that override the file, each as "key.path=value". */
  overrides?: readonly string[];
  /** Looks up an environment variable. */
  env: (name: string) => string | undefined;
}

/** A configuration, parsed and as text. */
export interface LoadedConfig {
  config: Config;
  /** The values in force as the file would spell them: its own, and the defaults. */
  effective: Record<string, unknown>;
  /** The names of the files that `include` names and of the directories that it looks into. */
  included: string[];
}

/**
 * Parses and checks a configuration.
 *
 * @param source Where it comes from.
 * @param services The services that can have a section.
 * @throws {ConfigError} If anything is wrong with it.
 */
export function loadConfig(source: ConfigSource, services: readonly Service[]): LoadedConfig {
  const faults: string[] = [];
  const { files, included } = readFiles(source, faults);
  const input = files.tables;
  const overridden = new Set<string>();
  const placeOf = (path: KeyPath) => {
    const name = formatKeyPath(path);
    if (overridden.has(name)) return `--set ${name}`;
    const place = files.placeOf(path);
    return place === undefined ? undefined : `${place.file}:${place.line}: ${name}`;
  };
  const report = ({ path, otherPath = path, message }: Fault) => {
    const place = placeOf(path) ?? placeOf(otherPath) ?? `${source.file}: ${formatKeyPath(path)}`;
    faults.push(`${place}: ${message}`);
  };

  for (const override of source.overrides ?? []) {
    const path = applyOverride(input, override);
    if (path === undefined) {
      faults.push(`--set ${override}: expected key.path=value, such as echo.queue=50`);
    } else overridden.add(formatKeyPath(path));
  }
  substitute(input, source.env, report);

  const schema = configSchema(services);
  // What is at fault so far. The first fault of a key is the plainest, so there are no others of it.
  const blamed = new Set<string>();
  for (const path of notTables(schema, input)) {
    blamed.add(formatKeyPath(path));
    report({ path, message: `found ${show(valueAt(input, path))}, allowed is ${SECTION}` });
  }
  const result = v.safeParse(schema, input);
  for (const issue of result.issues ?? []) {
    const path = (issue.path ?? []).map((item) => item.key as string);
    if (path.some((_, end) => blamed.has(formatKeyPath(path.slice(0, end + 1))))) continue;
    blamed.add(formatKeyPath(path));
    report({ path, message: describe(issue, path, { schema, input }) });
  }
  if (result.success) {
    for (const path of passedOver(input, result.output)) {
      report({ path, message: `"${path.at(-1)}" cannot be used as a name` });
    }
  }
  if (faults.length > 0 || !result.success) throw new ConfigError(faults);

  const { auth, bus, ...sections } = result.output;
  const config = toConfig(sections, { auth, bus } as SecretSections, { source, report });
  sharedAddresses(config, services).forEach(report);
  openAddresses(config, services).forEach(report);
  unprovable(config, services).forEach(report);
  if (faults.length > 0) throw new ConfigError(faults);
  return { config, effective: withDefaults(schema, input) as Record<string, unknown>, included };
}

/**
 * Reads the main file and those that it includes.
 *
 * @param faults Receives what is defined twice.
 * @throws {ConfigError} If one of them cannot be read or parsed.
 */
function readFiles(
  source: ConfigSource,
  faults: string[],
): { files: JoinedFiles; included: string[] } {
  const main = parsedFile(source.file, source.text, parseFile);
  const { include, ...tables } = main.tables;
  const files = new JoinedFiles();
  files.add({ ...main, tables });
  const included = new Set<string>();
  if (include !== undefined) {
    const { listFiles = () => [] } = source;
    const list = (directory: string) => (included.add(directory), listFiles(directory));
    const place = () => `${source.file}:${main.lines.get("include")}: include`;
    const names = attempt(place, () => includedFiles(include, source.file, list));
    for (const name of names) {
      const text = attempt(place, () => readIncluded(name, source));
      const file = parsedFile(name, text, parseFile);
      included.add(name);
      if (Object.hasOwn(file.tables, "include")) {
        const line = file.lines.get("include");
        throw new ConfigError([
          `${name}:${line}: include: a file that is included cannot include others`,
        ]);
      }
      faults.push(...files.add(file));
    }
  }
  return { files, included: [...included] };
}

function readIncluded(name: string, { readFile }: ConfigSource): string {
  try {
    return readFile(name);
  } catch (error) {
    throw new Error(`cannot read "${name}": ${fileErrorReason(error)}`);
  }
}

function attempt<T>(place: () => string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new ConfigError([`${place()}: ${(error as Error).message}`]);
  }
}

/** The sections that refer to secrets. */
interface SecretSections {
  auth: AuthConfig;
  bus: BusSection;
}

function toConfig(
  sections: Record<string, unknown>,
  { auth, bus }: SecretSections,
  { source, report }: { source: ConfigSource; report: (fault: Fault) => void },
): Config {
  const { daemon, log, storage, ...services } = sections;
  const { tokens, ...authLimits } = auth;
  const tokenFiles = Object.values(tokens)
    .map(({ file }) => file)
    .filter((file) => file !== undefined);
  return {
    daemon,
    log,
    storage,
    bus: busConfig(bus, source, report),
    services,
    guard: createGuards(auth, source, report),
    auth: authLimits,
    tokenFiles: [...tokenFiles, ...busSecretFiles(bus)],
  } as Config;
}

/** Clearer words for what the TOML parser says about common mistakes. */
const TOML_FAULTS: Record<string, string> = {
  "trying to redefine an already defined table or value":
    "this key or section is already defined above",
  "control characters are not allowed in strings": "text must end with a quote on the same line",
  "invalid value": 'not a value; text needs quotes, as in mode = "confirm"',
};

/** Parses TOML. Integers beyond those of JavaScript become the nearest numbers, all out of range. */
function parseToml(text: string): Record<string, unknown> {
  return withNumbers(parse(text, { integersAsBigInt: "asNeeded" })) as Record<string, unknown>;
}

function withNumbers(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(withNumbers);
  if (isTable(value)) {
    for (const key of Object.keys(value)) {
      value[key] = withNumbers(value[key]);
    }
  }
  return value;
}

function parseFile(file: string, text: string): Record<string, unknown> {
  try {
    return parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const fault = error.message.replace(/^Invalid TOML document: /, "").split("\n")[0]!;
    const place = `${file}:${error.line}:${error.column}`;
    throw new ConfigError([`${place}: not TOML: ${TOML_FAULTS[fault] ?? fault}`]);
  }
}

/** Sets one value; returns its path, or `undefined` if the override is malformed. */
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

/** Parses a value from the command line: as TOML if it is TOML, otherwise as unquoted text. */
function parseValue(text: string): unknown {
  try {
    return parseToml(`value = ${text}`)["value"];
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return text;
  }
}

/** What is allowed where a table of keys is expected. */
const SECTION = "a section with keys";

function describe(
  issue: v.BaseIssue<unknown>,
  path: KeyPath,
  { schema, input }: { schema: v.GenericSchema; input: unknown },
): string {
  if (issue.type === "strict_object" && issue.expected === "never") {
    const known = keysAt(schema, path.slice(0, -1));
    if (path.length === 1) known.push("include");
    const nearest = nearestWord(String(path.at(-1)), known);
    if (nearest !== undefined) return `unknown key, did you mean "${nearest}"?`;
    return `unknown key, known here: ${known.join(", ")}`;
  }
  if (issue.input === undefined) return "missing";
  // A schema that has no words of its own has those of valibot.
  const isSection = (issue.type === "strict_object" || issue.type === "record") &&
    issue.message.startsWith("Invalid ");
  // A check of several keys has the whole section as its input.
  const isOfKeys = issue.type === "check" && isTable(issue.input);
  const found = isOfKeys ? valueAt(withDefaults(schema, input), path) : issue.input;
  return `found ${show(found)}, allowed is ${isSection ? SECTION : issue.message}`;
}

/** Formats a value for a message, without any password. */
function show(value: unknown): string {
  return typeof value === "number" ? String(value) : JSON.stringify(redacted(value));
}
