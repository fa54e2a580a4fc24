import { join } from "node:path";
import type { Address } from "../../lib/net/address.ts";
import { TestClient } from "../support/client.ts";
import { until } from "../support/within.ts";
import { type Part, pause } from "./part.ts";

const HAS_ROOM_MS = 6000;
const IS_FULL_MS = 2000;
const VALUE_BYTES = 20_000;

/**
 * Fills a disk and frees it again and again: writes are refused while it is full, and taken soon after
 * it has room.
 */
export function fullDiskPart(kv: Address, directory: string): Part {
  const ballast = join(directory, "ballast");

  /** Whether a long value can be written. */
  async function isWritable(): Promise<boolean> {
    using client = await TestClient.connect(kv);
    await client.send(`PUT soak-disk ${"x".repeat(VALUE_BYTES)}\n`);
    const reply = (await client.line()).trimEnd();
    if (reply === "OK") return true;
    if (!/^ERR storage unavailable: .*full/.test(reply)) throw new Error(`a write got "${reply}"`);
    return false;
  }

  return {
    name: "disk",
    async run(stop) {
      let times = 0;
      for (; !stop.aborted; times++) {
        await pause(HAS_ROOM_MS, stop);
        await fillDisk(ballast);
        // What the file of the store has free is used up first; snapshots free some of it again.
        await until("a write is refused", async () => {
          await fillDisk(ballast);
          return !await isWritable();
        });
        await pause(IS_FULL_MS, stop);
        await Deno.remove(ballast);
        await until("a write is taken again", isWritable, 60_000, 100);
      }
      return `${times} times full and freed`;
    },
  };
}

/** Makes a file take all space that is left. */
async function fillDisk(path: string): Promise<void> {
  using file = await Deno.open(path, { create: true, append: true });
  for (let bytes = 64 * 1024; bytes >= 4096;) {
    try {
      await file.write(new Uint8Array(bytes));
    } catch {
      // The disk is full, or nearly so.
      bytes /= 2;
    }
  }
}
