import { createLog } from "../log.ts";
import type { ServiceRestore } from "../service.ts";
import type { BackupFile, BackupSection } from "../storage/backup/backup_file.ts";
import { BackupLog } from "../storage/backup/backup_log.ts";
import type { Database } from "../storage/database.ts";
import { openStorage, restoreFile } from "../storage/open.ts";
import { parseStorageUrl } from "../storage/url.ts";
import { CommandError } from "./command.ts";
import { writeAll } from "./terminal.ts";

/** A service whose data are restored. */
export interface RestoredService {
  name: string;
  /** The section of the backup with its data. */
  section: BackupSection;
  restore: ServiceRestore;
}

/**
 * Restores services into one storage: all of them or none.
 *
 * @param options The backup, and the directory that relative file names start from.
 * @throws {Error} If there are data already, or they cannot be written.
 */
export async function restoreInto(
  url: string,
  services: readonly RestoredService[],
  options: { file: BackupFile; dataDir: string },
): Promise<void> {
  const { file, dataDir } = options;
  const target = parseStorageUrl(url, dataDir);
  if (target.kind === "sqlite") return await restoreLog(target.path, services, file);
  const log = createLog("restore", {
    level: "warn",
    format: "text",
    sink: (lines) => void writeAll(Deno.stderr, lines),
  });
  const storage = await openStorage(url, { dataDir, log });
  try {
    await storage.match<Promise<void>>({
      database: (database) => restoreDatabase(database, services, file),
      log: () => Promise.reject(new Error("it keeps nothing")),
    });
  } finally {
    await storage.close();
  }
}

async function restoreLog(
  path: string,
  services: readonly RestoredService[],
  file: BackupFile,
): Promise<void> {
  const [{ section }] = services as [RestoredService];
  if (services.some((service) => service.section !== section)) {
    const names = services.map(({ name }) => name).join(" and ");
    throw new CommandError(
      `Cannot restore ${names} into one file: they were in different storages. Give each a file of ` +
        "its own, or use PostgreSQL",
    );
  }
  const isWanted = (name: string) =>
    services.some(({ restore }) => name.startsWith(restore.tables));
  const tables = Object.fromEntries(
    Object.entries(section.tables).filter(([name]) => isWanted(name)),
  );
  const ids = new Set(Object.values(tables));
  await restoreFile(path, {
    tables,
    version: section.version,
    pieces: only(file.pieces(section), ({ table }) => ids.has(table)),
    rows: file.rows(section),
  });
}

async function* only<T>(items: AsyncIterable<T>, wanted: (item: T) => boolean): AsyncGenerator<T> {
  for await (const item of items) if (wanted(item)) yield item;
}

async function restoreDatabase(
  database: Database,
  services: readonly RestoredService[],
  file: BackupFile,
): Promise<void> {
  for (const { restore } of services) await restore.prepare(database);
  await database.transact(async (transaction) => {
    for (const { restore, section } of services) {
      await restore.fill(new BackupLog(file, section), transaction);
    }
  }, { readOnly: false });
}
