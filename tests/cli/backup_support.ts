/** What the tests of `quartet backup` and `quartet restore` share. */
import assert from "node:assert/strict";
import type { backup } from "../../lib/cli/backup.ts";
import { CommandError, parseCommandLine } from "../../lib/cli/command.ts";
import { formatAddress } from "../../lib/net/address.ts";
import type { ServiceData } from "../../lib/service.ts";
import { BackupWriter } from "../../lib/storage/backup/backup_writer.ts";
import { RecordWriter } from "../../lib/storage/backup/record_writer.ts";
import { MemoryLog } from "../../lib/storage/memory/memory_log.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { FakeDaemon, startAdmin } from "../admin/support.ts";
import { within } from "../support/within.ts";

/** A record of kv: it never expires. */
export const FOREVER = new Uint8Array(8);

/** Runs a command in this process; returns its exit code. */
export function run(command: typeof backup, ...words: string[]): Promise<number> {
  return within(60_000, `quartet ${command.name}`, command.run(parseCommandLine(command, words)));
}

/** Awaits that a command fails with a message of one line. */
export async function assertFails(
  pending: Promise<unknown>,
  message: string | RegExp,
): Promise<void> {
  await assert.rejects(pending, (error) => {
    assert(error instanceof CommandError, String(error));
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

/** Data in memory. */
function dataOf(save: ServiceData["save"]): ServiceData {
  const log = new MemoryLog();
  return { storage: { match: (cases) => cases.log(log) } as Storage, save };
}

/** A daemon whose kv has this to save, and its admin service. */
export async function startService(save: ServiceData["save"]) {
  const daemon = new FakeDaemon();
  daemon.add("kv", { data: () => dataOf(save) });
  const admin = await startAdmin(daemon);
  return { ...admin, options: ["--address", formatAddress(admin.address)] };
}

/** The names of the files in a directory. */
export async function namesIn(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
}

/** Writes a backup with sections of single keys, by the services in them. */
export async function writeFile(path: string, ...sections: string[][]): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const writer = new BackupWriter(async (bytes) => void await file.write(bytes));
  await writer.begin("1.2.3");
  for (const services of sections) {
    await writer.section({ services, pieces: 0 }, async () => {
      const records = new RecordWriter(writer);
      await records.put("kv_0", services.join(), "x", FOREVER);
      return await records.end();
    });
  }
  await writer.end();
}
