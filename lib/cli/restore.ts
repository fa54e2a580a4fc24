import { createDataDir } from "../daemon/data_dir.ts";
import { fileErrorReason } from "../file_error.ts";
import type { ServiceRestore } from "../service.ts";
import { SERVICES } from "../services.ts";
import { BackupFile } from "../storage/backup/backup_file.ts";
import { BackupError } from "../storage/backup/frames.ts";
import { expectNoFile } from "../storage/open.ts";
import { parseStorageUrl, redactUrl } from "../storage/url.ts";
import type { Config } from "../config/schema.ts";
import { type Command, CommandError, EXIT, UsageError } from "./command.ts";
import { CONFIG_OPTIONS, readConfig } from "./config_file.ts";
import { Progress } from "./records_progress.ts";
import { expectFile } from "./storage_file.ts";
import { storageUrls } from "./storage_urls.ts";
import { print } from "./terminal.ts";
import { type RestoredService, restoreInto } from "./restore_storage.ts";

/** `quartet restore`: puts a backup into the storages of a configuration. */
export const restore: Command = {
  name: "restore",
  summary: "Puts a backup into the storages of a configuration",
  usage: "FILE [--config FILE] [--set KEY=VALUE]… or FILE --check",
  positionals: [1, 1],
  options: [
    { name: "check", help: "only checks the backup, and says what is in it" },
    ...CONFIG_OPTIONS,
  ],
  details:
    `Each service's data go into the storage that the configuration names for it: a SQLite file that
does not exist yet, or a PostgreSQL database whose tables are empty. Nothing is overwritten. It does
not matter which of the two the data come from. Start the daemon afterwards.

All storages get their data or none does. After an interruption, run it again. If it fails at the
very end, when one storage is complete and another is not, it names the complete one: remove its
data before the next try.`,
  run: async (args) => {
    const [path] = args.positionals;
    const given = args.text("config") !== undefined || args.texts("set").length > 0;
    if (args.flag("check") && given) throw new UsageError("--check needs no configuration");
    await expectFile(path!);
    const file = await openBackup(path!);
    if (args.flag("check")) {
      const services = file.sections.flatMap((section) => section.services);
      const { createdAt, program } = file.header;
      print(`"${path}" is good: ${services.join(" and ")}, ${createdAt}, by quartet ${program}`);
      return EXIT.OK;
    }
    const { config } = readConfig(args.text("config"), args.texts("set"));
    const targets = targetsOf(file, config);
    const { data_dir: dataDir } = config.daemon;
    // All of them before the first one is written.
    for (const url of targets.keys()) {
      const target = parseStorageUrl(url, dataDir);
      if (target.kind === "sqlite") await attempt(() => expectNoFile(target.path));
    }
    await attempt(() => createDataDir(dataDir));
    await attempt(() => restoreInto(targets, { file, dataDir }));
    for (const [url, services] of targets) {
      print(`Restored ${services.map(({ name }) => name).join(" and ")} into "${redactUrl(url)}"`);
    }
    return EXIT.OK;
  },
};

async function openBackup(path: string): Promise<BackupFile> {
  const { size } = await Deno.stat(path);
  const progress = new Progress("check", size);
  try {
    return await BackupFile.open(path, (bytes) => progress.add(bytes));
  } catch (error) {
    if (!(error instanceof BackupError)) {
      throw new CommandError(`Cannot read "${path}": ${fileErrorReason(error)}`);
    }
    throw new CommandError(`Cannot use "${path}": ${error.message}`);
  } finally {
    progress.stop();
  }
}

/** The services in a backup, by the URL of the storage that a configuration has for them. */
function targetsOf(file: BackupFile, config: Config): Map<string, RestoredService[]> {
  const targets = new Map<string, RestoredService[]>();
  for (const section of file.sections) {
    for (const name of section.services) {
      const restore = restoreOf(name);
      const url = storageUrls(config, name)[0]!;
      if (parseStorageUrl(url, ".").kind === "memory") {
        throw new CommandError(
          `Cannot restore ${name} into "memory:", which keeps nothing: set its storage, or storage.url`,
        );
      }
      const services = targets.get(url) ?? [];
      targets.set(url, [...services, { name, section, restore }]);
    }
  }
  return targets;
}

function restoreOf(service: string): ServiceRestore {
  const restore = SERVICES.find(({ name }) => name === service)?.restore;
  if (restore !== undefined) return restore;
  throw new CommandError(`Cannot restore "${service}": this program has no such service`);
}

async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`Cannot restore: ${fileErrorReason(error)}`);
  }
}
