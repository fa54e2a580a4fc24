import { fileErrorReason } from "../file_error.ts";
import { type Command, CommandError, EXIT } from "./command.ts";
import { CONFIG_TEMPLATE } from "./config_template.ts";
import { DEFAULT_CONFIG_FILE } from "./config_file.ts";
import { print } from "./terminal.ts";

/** `quartet init`: writes the commented configuration. */
export const init: Command = {
  name: "init",
  summary: "Writes the default configuration, with a comment for each key",
  usage: "[FILE] [--force]",
  positionals: [0, 1],
  options: [{ name: "force", help: "replaces an existing file" }],
  details: `FILE defaults to ${DEFAULT_CONFIG_FILE}.`,
  run: async (args) => {
    const file = args.positionals[0] ?? DEFAULT_CONFIG_FILE;
    try {
      await Deno.writeTextFile(file, CONFIG_TEMPLATE, { createNew: !args.flag("force") });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) {
        throw new CommandError(`Cannot write "${file}": it already exists; --force replaces it`);
      }
      throw new CommandError(`Cannot write "${file}": ${fileErrorReason(error)}`);
    }
    print(`Wrote ${file}. "quartet serve --config ${file}" starts the services.`);
    return EXIT.OK;
  },
};
