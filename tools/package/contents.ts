/**
 * The files of a package besides the binary, which are made from the sources.
 *
 * @module
 */

import { loadCommands } from "../../lib/cli/commands.ts";
import { completionScript } from "../../lib/cli/completions.ts";
import { CONFIG_TEMPLATE } from "../../lib/cli/config_template.ts";
import { SCHEMA_FILE, schemaText } from "../../lib/cli/schema.ts";
import { commandPage, type Edition, overviewPage, pageName } from "./man_commands.ts";
import { configPage } from "./man_config.ts";

const COMMANDS = await loadCommands();

/** A file of a package. */
export interface PackageFile {
  /** Its path in the package. */
  path: string;
  content: string | Uint8Array<ArrayBuffer>;
  /** Whether it can be run. @default {false} */
  executable?: boolean;
}

/** Where the files of one kind belong; they differ between systems. */
export interface Folders {
  bashCompletions: string;
  zshCompletions: string;
  fishCompletions: string;
}

/** The manual pages by their file names. */
export function manualPages(edition: Edition): Map<string, string> {
  return new Map([
    ["quartet.1", overviewPage(COMMANDS, edition)],
    ...COMMANDS.map((command): [string, string] => [
      `${pageName(command.name)}.1`,
      commandPage(command, edition),
    ]),
    ["quartet.toml.5", configPage(CONFIG_TEMPLATE, edition)],
  ]);
}

/** The completion scripts, in the folders of their shells. */
export function completions(folders: Folders): PackageFile[] {
  const script = (shell: Parameters<typeof completionScript>[0]) =>
    `${completionScript(shell, COMMANDS)}\n`;
  return [
    { path: `${folders.bashCompletions}/quartet`, content: script("bash") },
    { path: `${folders.zshCompletions}/_quartet`, content: script("zsh") },
    { path: `${folders.fishCompletions}/quartet.fish`, content: script("fish") },
  ];
}

/** The schema for editors, as a file in a folder. */
export function schemaFile(folder: string): PackageFile {
  return { path: `${folder}/${SCHEMA_FILE}`, content: `${schemaText()}\n` };
}

/** The pages of docs/ that operators need, and what a user has to know about the project. */
export function documents(root: URL, folder: string): PackageFile[] {
  return ["README.md", "docs/operations.md", "docs/protocols.md", "docs/security.md"].map((
    path,
  ) => ({
    path: `${folder}/${path.replace(/^docs\//, "")}`,
    content: Deno.readTextFileSync(new URL(path, root)),
  }));
}

/**
 * config.toml for a daemon of the system, whose data are not below its working directory.
 *
 * @param schema The path of the schema for editors.
 */
export function systemConfig(schema: string): string {
  return replaced(CONFIG_TEMPLATE, {
    [`#:schema ${SCHEMA_FILE}\n`]: `#:schema ${schema}\n`,
    'data_dir = "data"\n': 'data_dir = "/var/lib/quartet"\n',
  });
}

/**
 * Replaces parts of a text, each at all of its places.
 *
 * @throws {Error} If one of them is not there any more.
 */
export function replaced(text: string, parts: Readonly<Record<string, string>>): string {
  for (const [part, replacement] of Object.entries(parts)) {
    if (!text.includes(part)) throw new Error(`Cannot replace "${part.trim()}": it is not there`);
    text = text.replaceAll(part, replacement);
  }
  return text;
}
