import { ConfigError, loadConfig, type LoadedConfig } from "../config/load.ts";
import { SERVICES } from "../services.ts";
import { fileErrorReason } from "../file_error.ts";
import { CommandError, type CommandOption, EXIT } from "./command.ts";

/** The file that is read when the command line names none, if it exists. */
export const DEFAULT_CONFIG_FILE = "config.toml";

/** The options of every command that reads a configuration. */
export const CONFIG_OPTIONS: readonly CommandOption[] = [
  {
    name: "config",
    value: "FILE",
    help:
      `configuration file (default: ./${DEFAULT_CONFIG_FILE} if it exists, else built-in defaults)`,
  },
  {
    name: "set",
    value: "KEY=VALUE",
    repeatable: true,
    help: "overrides a key of the file, such as echo.listen=127.0.0.1:0",
  },
];

/**
 * Reads the configuration for a command.
 *
 * @param file The file; `undefined` for the default one, which may be missing.
 * @param overrides Values that override the file, each as "key.path=value".
 * @param env Looks up an environment variable.
 * @throws {CommandError} If the file cannot be read or the configuration is wrong.
 */
export function readConfig(
  file: string | undefined,
  overrides: readonly string[],
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): LoadedConfig {
  const name = file ?? DEFAULT_CONFIG_FILE;
  const text = readFile(name, file === undefined);
  try {
    const files = { readFile: Deno.readTextFileSync, listFiles: namesIn };
    return loadConfig({ file: name, text, overrides, env, ...files }, SERVICES);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CommandError(error.message, EXIT.CONFIG);
  }
}

function namesIn(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name);
}

function readFile(name: string, optional: boolean): string {
  try {
    return Deno.readTextFileSync(name);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    if (missing && optional) return "";
    const hint = missing ? '; "quartet init" writes one' : "";
    const reason = fileErrorReason(error);
    throw new CommandError(`Cannot read "${name}": ${reason}${hint}`, EXIT.CONFIG);
  }
}
