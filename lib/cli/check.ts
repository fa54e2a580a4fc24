import { stringify } from "smol-toml";
import { unlimitedAddresses } from "../config/addresses.ts";
import { formatKeyPath } from "../config/walk.ts";
import type { Advice } from "../service.ts";
import { SERVICES } from "../services.ts";
import { redacted } from "../storage/url.ts";
import { type Command, EXIT } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import type { Config } from "../config/schema.ts";
import { checkStorage } from "./storage_check.ts";
import { print, printError } from "./terminal.ts";

/** `quartet check`: prints the configuration in force, or what is wrong with it. */
export const check: Command = {
  name: "check",
  summary: "Checks the configuration and prints it with all defaults",
  usage: "[--config FILE] [--set KEY=VALUE]… [--storage]",
  positionals: [0, 0],
  options: [
    ...CONFIG_OPTIONS,
    { name: "storage", help: "also checks every byte of the SQLite files that services use" },
  ],
  details:
    `The next three runs of each schedule follow as comments. Faults go to standard error, one per
line, and the exit code is ${EXIT.CONFIG}. Advice on a valid configuration goes to standard error
too; the exit code is then 0. With --storage, so does what is damaged in a file, and the exit code
is ${EXIT.FAILED}. A daemon may be using the file.`,
  run: async (args) => {
    const { config, effective } = readConfig(args.text("config"), args.texts("set"));
    for (
      const { path, message } of [...unlimitedAddresses(config, SERVICES), ...adviceOn(config)]
    ) {
      printError(`Advice: ${formatKeyPath(path)}: ${message}`);
    }
    print(stringify(redacted(effective)).trimEnd());
    for (const { name, forecast } of SERVICES) {
      const section = config.services[name];
      if (!section?.enabled) continue;
      // As comments, the output stays a configuration.
      for (const line of forecast?.(section) ?? []) print(`# ${name}: next runs of ${line}`);
    }
    if (args.flag("storage") && !await checkStorage(config)) return EXIT.FAILED;
    return EXIT.OK;
  },
};

/** The advice of the services that are enabled. */
function adviceOn(config: Config): Advice[] {
  return SERVICES.flatMap(({ name, advice }) => {
    const section = config.services[name];
    if (!section?.enabled || advice === undefined) return [];
    return advice(section).map(({ path, message }) => ({ path: [name, ...path], message }));
  });
}
