import { ConfigError, loadConfig, type LoadedConfig } from "../config/load.ts";
import { SERVICES } from "../services.ts";
import { CommandError, type CommandOption, EXIT } from "./command.ts";

/** The file that is used when none is named, if it is there. */
export const DEFAULT_CONFIG_FILE = "config.toml";

/** The options of every command that reads a configuration. */
export const CONFIG_OPTIONS: readonly CommandOption[] = [
  {
    name: "config",
    value: "FILE",
    help: `the configuration; ./${DEFAULT_CONFIG_FILE} if it is there, else the built-in defaults`,
  },
  {
    name: "set",
    value: "KEY=VALUE",
    repeatable: true,
    help: "sets a key on top of the file, such as echo.listen=127.0.0.1:0",
  },
];

/**
 * Reads the configuration that a command line names.
 *
 * @param file The file; `undefined` for the default one.
 * @param overrides What is set on top of it.
 * @param env Looks up a variable of the environment.
 * @throws {CommandError} If it cannot be read or anything is wrong with it.
 */
export function readConfig(
  file: string | undefined,
  overrides: readonly string[],
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): LoadedConfig {
  const name = file ?? DEFAULT_CONFIG_FILE;
  const text = readFile(name, file === undefined);
  try {
    return loadConfig(
      { file: name, text, overrides, env, readFile: Deno.readTextFileSync },
      SERVICES,
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CommandError(error.message, EXIT.CONFIG);
  }
}

function readFile(name: string, optional: boolean): string {
  try {
    return Deno.readTextFileSync(name);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error instanceof Deno.errors.NotFound) {
      if (optional) return "";
      const hint = 'no such file; "quartet init" writes one';
      throw new CommandError(`Cannot read "${name}": ${hint}`, EXIT.CONFIG);
    }
    throw new CommandError(`Cannot read "${name}": ${error.message}`, EXIT.CONFIG);
  }
}
