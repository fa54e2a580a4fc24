import { dumpStore } from "../kv/dump.ts";
import { createLog } from "../log.ts";
import { openStorage } from "../storage/open.ts";
import { parseStorageUrl } from "../storage/url.ts";
import { type CommandArguments, CommandError, UsageError } from "./command.ts";
import { readConfig } from "./config_file.ts";
import { expectFile } from "./storage_file.ts";
import { storageUrls } from "./storage_urls.ts";
import { printError, writeAll } from "./terminal.ts";

/**
 * `quartet storage dump`: writes the keys of kv to standard output.
 *
 * @param file A SQLite file; `undefined` for the storage of kv in the configuration.
 * @throws {CommandError} If it cannot be read.
 */
export async function dumpStorage(args: CommandArguments, file: string | undefined): Promise<void> {
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
