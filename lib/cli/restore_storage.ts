import { fileErrorReason } from "../file_error.ts";
import { createLog } from "../log.ts";
import type { ServiceRestore } from "../service.ts";
import type { BackupFile, BackupSection } from "../storage/backup/backup_file.ts";
import { BackupLog } from "../storage/backup/backup_log.ts";
import type { Database } from "../storage/database.ts";
import { openStorage, RestoredFile } from "../storage/open.ts";
import { parseStorageUrl, redactUrl } from "../storage/url.ts";
import { CommandError } from "./command.ts";
import { writeAll } from "./terminal.ts";

/** A service whose data are restored. */
export interface RestoredService {
  name: string;
  /** The section of the backup with its data. */
  section: BackupSection;
  restore: ServiceRestore;
}

/** A backup, and the directory that relative file names start from. */
export interface RestoreSource {
  file: BackupFile;
  dataDir: string;
}

/**
 * Restores services into their storages: all of them or none, unless the end itself fails. Files get
 * their names, and transactions are committed, when the data are in all storages.
 *
 * @param targets The services of each storage, by the URL of the storage.
 * @throws {Error} If there are data already, or they cannot be written.
 * @throws {CommandError} If only some storages have got their data. The message names them.
 */
export async function restoreInto(
  targets: ReadonlyMap<string, readonly RestoredService[]>,
  source: RestoreSource,
): Promise<void> {
  const all = [...targets].map(([url, services]) => ({ url, services }));
  const isFile = ({ url }: Target) => parseStorageUrl(url, source.dataDir).kind === "sqlite";
  // What is written first ends last. A commit can fail more easily than a file can be renamed.
  const ordered = [...all.filter(isFile), ...all.filter((target) => !isFile(target))];
  const done: Target[] = [];
  try {
    await restoreEach(ordered, source, done);
  } catch (error) {
    if (done.length === 0) throw error;
    throw new CommandError(
      `Cannot restore ${namesOf(all.filter((target) => !done.includes(target)))}: ${
        fileErrorReason(error)
      }; ${done.map(describe).join(" and ")} is restored: remove it before the next try`,
    );
  }
}

interface Target {
  url: string;
  services: readonly RestoredService[];
}

/** Restores into the first storage, and into the others before its data become valid. */
async function restoreEach(
  [target, ...others]: readonly Target[],
  source: RestoreSource,
  done: Target[],
): Promise<void> {
  if (target === undefined) return;
  const { url, services } = target;
  const rest = () => restoreEach(others, source, done);
  const place = parseStorageUrl(url, source.dataDir);
  if (place.kind === "sqlite") await restoreLog(place.path, services, { ...source, rest });
  else await restoreDatabase(url, services, { ...source, rest });
  done.push(target);
}

/** Restoring into one storage of several. */
interface Step extends RestoreSource {
  /** Restores into the others. */
  rest: () => Promise<void>;
}

/** Names a storage and what is in it, for people. */
function describe({ url, services }: Target): string {
  return `${namesOf([{ url, services }])} in "${redactUrl(url)}"`;
}

function namesOf(targets: readonly Target[]): string {
  return targets.flatMap(({ services }) => services.map(({ name }) => name)).join(" and ");
}

async function restoreLog(
  path: string,
  services: readonly RestoredService[],
  { file, rest }: Step,
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
  await using restored = await RestoredFile.write(path, {
    tables,
    version: section.version,
    pieces: only(file.pieces(section), ({ table }) => ids.has(table)),
    rows: file.rows(section),
  });
  await rest();
  await restored.publish();
}

async function* only<T>(items: AsyncIterable<T>, wanted: (item: T) => boolean): AsyncGenerator<T> {
  for await (const item of items) if (wanted(item)) yield item;
}

async function restoreDatabase(
  url: string,
  services: readonly RestoredService[],
  { file, dataDir, rest }: Step,
): Promise<void> {
  const log = createLog("restore", {
    level: "warn",
    format: "text",
    sink: (lines) => void writeAll(Deno.stderr, lines),
  });
  const storage = await openStorage(url, { dataDir, log });
  try {
    await storage.match<Promise<void>>({
      database: (database) => fillDatabase(database, services, { file, dataDir, rest }),
      log: () => Promise.reject(new Error("it keeps nothing")),
    });
  } finally {
    await storage.close();
  }
}

async function fillDatabase(
  database: Database,
  services: readonly RestoredService[],
  { file, rest }: Step,
): Promise<void> {
  for (const { restore } of services) await restore.prepare(database);
  await database.transact(async (transaction) => {
    for (const { restore, section } of services) {
      await restore.fill(new BackupLog(file, section), transaction);
    }
    await rest();
  }, { readOnly: false });
}
