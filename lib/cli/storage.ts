import { fileErrorReason } from "../file_error.ts";
import { dumpStore } from "../kv/dump.ts";
import { createLog } from "../log.ts";
import { openStorage } from "../storage/open.ts";
import { parseStorageUrl } from "../storage/url.ts";
import { type Command, type CommandArguments, CommandError, EXIT, UsageError } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import { storageUrls } from "./storage_urls.ts";
import { printError, writeAll } from "./terminal.ts";

/** `quartet storage`: what can be done with the files of a storage while no daemon uses them. */
export const storage: Command = {
  name: "storage",
  summary: "Writes the keys of a storage as Redis requests",
  usage: "dump [FILE | --config FILE [--set KEY=VALUE]…]",
  positionals: [1, 2],
  options: CONFIG_OPTIONS,
  details:
    `dump writes all databases of kv to standard output as SELECT and SET requests, with the times at
which keys expire: quartet storage dump data/quartet.db | redis-cli --pipe
Without FILE it reads the storage of kv in the configuration.

A file must not be in use by a daemon.`,
  run: async (args) => {
    const [what, file] = args.positionals;
    if (what !== "dump") throw new UsageError(`unknown word "${what}": expected "dump"`);
    await dump(args, file);
    return EXIT.OK;
  },
};

async function dump(args: CommandArguments, file: string | undefined): Promise<void> {
  const { url, dataDir } = file === undefined ? configured(args) : named(args, file);
  const target = parseStorageUrl(url, dataDir);
  if (target.kind === "memory") throw new CommandError("kv keeps its keys in memory only");
  // Opening would create the file.
  if (target.kind === "sqlite") await expectFile(target.path);
  const log = createLog("storage", {
    level: "warn",
    format: "text",
    sink: (lines) => void writeAll(Deno.stderr, lines),
  });
  let keys: number;
  try {
    const opened = await openStorage(url, { dataDir, log });
    try {
      const store = await opened.openStore({ maxBytes: Infinity });
      try {
        keys = await dumpStore(store, (bytes) => writeAll(Deno.stdout, bytes));
      } finally {
        await store.close();
      }
    } finally {
      await opened.close();
    }
  } catch (error) {
    throw error instanceof Error ? new CommandError(error.message) : error;
  }
  printError(`Keys: ${keys}`);
}

/** The storage of kv in the configuration. */
function configured(args: CommandArguments): { url: string; dataDir: string } {
  const { config } = readConfig(args.text("config"), args.texts("set"));
  return { url: storageUrls(config, "kv")[0]!, dataDir: config.daemon.data_dir };
}

function named(args: CommandArguments, file: string): { url: string; dataDir: string } {
  if (args.text("config") !== undefined || args.texts("set").length > 0) {
    throw new UsageError("FILE and --config exclude each other");
  }
  return { url: `sqlite:${file}`, dataDir: "." };
}

/** @throws {CommandError} If there is no such file. */
async function expectFile(path: string): Promise<void> {
  try {
    if ((await Deno.stat(path)).isFile) return;
  } catch (error) {
    throw new CommandError(`Cannot read "${path}": ${fileErrorReason(error)}`);
  }
  throw new CommandError(`Cannot read "${path}": it is not a file`);
}
