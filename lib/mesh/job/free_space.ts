import { statfs } from "node:fs/promises";

/** Bytes that a sort is going to write below a directory. */
export interface SpaceNeed {
  directory: string;
  bytes: number;
}

/** The free space of a file system. */
export interface FreeSpace {
  /** Equal for directories on one file system. */
  device: number;
  bytes: number;
}

/**
 * Checks that the disks have room for what a sort is going to write. A file system that does not tell
 * counts as large enough.
 *
 * @param freeSpace Looks at the file system of a directory; tests stand in for it.
 * @throws {Error} If a disk is too small; the message names a directory on it.
 */
export async function assertSpace(
  needs: readonly SpaceNeed[],
  freeSpace: (directory: string) => Promise<FreeSpace | undefined> = readFreeSpace,
): Promise<void> {
  const neededByDevice = new Map<number, number>();
  for (const { directory, bytes } of needs) {
    const free = await freeSpace(directory);
    if (free === undefined) continue;
    const needed = (neededByDevice.get(free.device) ?? 0) + bytes;
    neededByDevice.set(free.device, needed);
    if (needed <= free.bytes) continue;
    throw new Error(
      `Cannot write below "${directory}": the disk has ${free.bytes} bytes free, ` +
        `and the sort needs ${needed}`,
    );
  }
}

async function readFreeSpace(directory: string): Promise<FreeSpace | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return { device: (await Deno.stat(directory)).dev, bytes: bavail * bsize };
  } catch {
    // Writing will show whether there is a problem.
    return undefined;
  }
}
