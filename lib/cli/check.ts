import { stringify } from "smol-toml";
import { unlimitedAddresses } from "../config/addresses.ts";
import { formatKeyPath } from "../config/walk.ts";
import type { Advice } from "../service.ts";
import { SERVICES } from "../services.ts";
import { redacted } from "../storage/url.ts";
import { AdminClient } from "./admin_client.ts";
import { ADMIN_OPTIONS, adminTarget } from "./admin_target.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import type { Config } from "../config/schema.ts";
import { escapeControls } from "./control_escaper.ts";
import { asPreview, isDisruptive, previewLines } from "./reload_diff.ts";
import { TOKEN_OPTION, tokenOption } from "./server_options.ts";
import { checkStorage } from "./storage_check.ts";
import { print, printError } from "./terminal.ts";

/** The options that only `--diff` has. */
const DIFF_OPTIONS = [
  TOKEN_OPTION,
  ...ADMIN_OPTIONS.filter((option) => !CONFIG_OPTIONS.includes(option)),
];

/** `quartet check`: prints the configuration in force, or what is wrong with it. */
export const check: Command = {
  name: "check",
  summary: "Checks the configuration and prints it with all defaults",
  usage: "[--config FILE] [--set KEY=VALUE]… [--storage | --diff [--address HOST:PORT]]",
  positionals: [0, 0],
  options: [
    ...CONFIG_OPTIONS,
    { name: "storage", help: "also checks every byte of the SQLite files that services use" },
    { name: "diff", help: "asks the running daemon what a reload would do; changes nothing" },
    ...DIFF_OPTIONS,
  ],
  details:
    `The next three runs of each schedule follow as comments. Faults go to standard error, one per
line, and the exit code is ${EXIT.CONFIG}. Advice on a valid configuration goes to standard error
too; the exit code is then 0. With --storage, so does what is damaged in a file, and the exit code
is ${EXIT.FAILED}. A daemon may be using the file.

With --diff, the daemon reads its own files, with its own options and environment, as on SIGHUP. The
answer has one line for each service: whether it keeps running or restarts, for which keys, which
tokens change, and how many connections it closes. The exit code is ${EXIT.OK} if a reload disturbs
nobody, ${EXIT.DISRUPTIVE} if it closes connections or a change needs a new start, ${EXIT.CONFIG} if the files
are wrong, and ${EXIT.FAILED} if the daemon does not answer. The other options say how to reach it.`,
  run: async (args) => {
    if (args.flag("diff")) {
      if (args.flag("storage")) throw new UsageError("--diff and --storage exclude each other");
      return await showDiff(new AdminClient(adminTarget(args), tokenOption(args)));
    }
    const needless = DIFF_OPTIONS.find(({ name, value }) =>
      value === undefined ? args.flag(name) : args.text(name) !== undefined
    );
    if (needless !== undefined) throw new UsageError(`--${needless.name} needs --diff`);
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

/** Prints what a reload of a daemon would do; returns the exit code. */
async function showDiff(daemon: AdminClient): Promise<number> {
  const preview = asPreview(await daemon.ask<unknown>("POST", "/reload-preview"));
  if (preview === undefined) {
    throw new CommandError(`${daemon.address} gave an answer that this version does not know`);
  }
  if (preview.faults.length > 0) throw new CommandError(preview.faults.join("\n"), EXIT.CONFIG);
  print(escapeControls(previewLines(preview).join("\n")));
  return isDisruptive(preview) ? EXIT.DISRUPTIVE : EXIT.OK;
}

/** The advice of the services that are enabled. */
function adviceOn(config: Config): Advice[] {
  return SERVICES.flatMap(({ name, advice }) => {
    const section = config.services[name];
    if (!section?.enabled || advice === undefined) return [];
    return advice(section).map(({ path, message }) => ({ path: [name, ...path], message }));
  });
}
