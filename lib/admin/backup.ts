/**
 * Backups: the data of all services that keep any, as one stream of bytes.
 *
 * @module
 */

import type { DaemonView, ServiceData } from "../service.ts";
import { BackupWriter } from "../storage/backup/backup_writer.ts";
import { RecordWriter } from "../storage/backup/record_writer.ts";
import type { CommitLog } from "../storage/commit_log.ts";
import type { Database, DatabaseTransaction } from "../storage/database.ts";
import { VERSION } from "../version.ts";
import { RequestError, type Route } from "./routes.ts";

/** The data that services keep in one storage. */
export interface BackupSources {
  services: string[];
  data: ServiceData[];
}

/** Makes backups, one at a time. */
export function backupRoutes(daemon: DaemonView): Route[] {
  let running = false;
  return [{
    method: "POST",
    path: /^\/backup$/,
    answer: () => {
      if (running) throw new RequestError(409, "Another backup is being made.");
      const sections = sectionsOf(daemon);
      return {
        status: 200,
        type: "application/octet-stream",
        headers: { "content-type": "application/octet-stream" },
        body: {
          send: async (output) => {
            if (running) throw new Error("another backup is being made");
            running = true;
            try {
              await writeBackup(sections, (bytes) => output.write(bytes));
            } finally {
              running = false;
            }
          },
        },
      };
    },
  }];
}

/**
 * The storages of the running services. Services that share one are in one section, so that their
 * data are of the same moment.
 */
function sectionsOf(daemon: DaemonView): BackupSources[] {
  const sections = new Map<CommitLog | Database, BackupSources>();
  for (const { name, running } of daemon.services()) {
    if (running?.data === undefined) continue;
    const data = running.data();
    if (data === undefined) throw new RequestError(503, `${name} is still loading its data.`);
    const key = data.storage.match<CommitLog | Database>({
      log: (log) => log,
      database: (database) => database,
    });
    const section = sections.get(key) ?? { services: [], data: [] };
    section.services.push(name);
    section.data.push(data);
    sections.set(key, section);
  }
  if (sections.size === 0) throw new RequestError(409, "No running service keeps data.");
  return [...sections.values()];
}

/**
 * Writes a backup.
 *
 * @param write Takes the next bytes, which are valid until its promise resolves.
 * @throws {Error} If it cannot be made, or `write` rejects. If possible, the backup then says why it
 * is incomplete.
 */
export async function writeBackup(
  sections: readonly BackupSources[],
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const writer = new BackupWriter(write);
  try {
    await writer.begin(VERSION);
    for (const section of sections) await writeSection(section, writer);
    await writer.end();
  } catch (error) {
    await writer.fail((error as Error).message);
    throw error;
  }
}

async function writeSection(
  { services, data }: BackupSources,
  writer: BackupWriter,
): Promise<void> {
  const save = async (transaction?: DatabaseTransaction) => {
    const records = new RecordWriter(writer);
    for (const part of data) await part.save(records, transaction);
    return await records.end();
  };
  await data[0]!.storage.match<Promise<void>>({
    log: async (log) => {
      const copy = log.copyTables?.();
      if (copy === undefined) return await writer.section({ services, pieces: 0 }, () => save());
      try {
        const { pieces } = copy;
        await writer.section({ services, pieces }, () => copy.write(writer));
      } finally {
        copy.stop();
      }
    },
    database: (database) =>
      writer.section(
        { services, pieces: 0 },
        () => database.transact(save, { readOnly: true }),
      ),
  });
}
