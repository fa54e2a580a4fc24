import { type Command, type CommandArguments, EXIT, UsageError } from "./command.ts";
import { CONFIG_OPTIONS } from "./config_file.ts";
import { dumpStorage } from "./storage_dump.ts";
import { recoverStorage } from "./storage_recover.ts";

/** `quartet storage`: what can be done with the files of a storage while no daemon uses them. */
export const storage: Command = {
  name: "storage",
  summary: "Saves what is good in a damaged file, or writes all keys as Redis requests",
  usage: "recover FILE [--output NEW], or dump [FILE | --config FILE [--set KEY=VALUE]…]",
  positionals: [1, 2],
  options: [
    { name: "output", value: "NEW", help: "recover: the new file (default: FILE.recovered)" },
    ...CONFIG_OPTIONS.map((option) => ({ ...option, help: `dump: ${option.help}` })),
  ],
  details:
    `recover copies what is good in a SQLite file into a new file, and names what is damaged and
therefore lost. The old file stays as it is. To use the new one, rename it.

dump writes all databases of kv to standard output as SELECT and SET requests, with the times at
which keys expire:

quartet storage dump data/quartet.db | redis-cli --pipe

Without FILE it reads the storage of kv in the configuration.

A file must not be in use by a daemon. "quartet check --storage" finds out whether it is damaged.`,
  run: async (args) => {
    const [what, file] = args.positionals;
    if (what === "recover") {
      await recoverStorage(...recoverFiles(args, file));
    } else if (what === "dump") {
      if (args.text("output") !== undefined) throw new UsageError("--output is for recover");
      await dumpStorage(args, file);
    } else {
      throw new UsageError(`unknown word "${what}": expected "recover" or "dump"`);
    }
    return EXIT.OK;
  },
};

function recoverFiles(args: CommandArguments, file: string | undefined): [string, string] {
  if (file === undefined) throw new UsageError("the name of the file is missing");
  if (args.text("config") !== undefined || args.texts("set").length > 0) {
    throw new UsageError("--config and --set are for dump");
  }
  return [file, args.text("output") ?? `${file}.recovered`];
}
