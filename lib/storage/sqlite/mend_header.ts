/**
 * Reading a file whose header is damaged. SQLite refuses such a file, although nothing of the header
 * but the size of a page matters to a reader, and quartet never changes that.
 *
 * @module
 */

import { APPLICATION_ID, SCHEMA_VERSION } from "./format.ts";

/** The size of a page that SQLite chooses. */
const PAGE_BYTES = 4096;

/** The file format of SQLite, https://sqlite.org/fileformat2.html, section 1.3. */
const HEADER_BYTES = 100;

/** Whether a file does not start as every database of SQLite does. */
export async function isHeaderDamaged(path: string): Promise<boolean> {
  using file = await Deno.open(path);
  const found = new Uint8Array(HEADER_BYTES);
  const length = await file.read(found) ?? 0;
  const expected = header(0);
  // The magic, the size of a page, and the fractions, which are constants.
  const same = (from: number, to: number) =>
    found.subarray(from, to).every((byte, at) => byte === expected[from + at]);
  return length < HEADER_BYTES || !same(0, 18) || !same(20, 24);
}

/**
 * Copies a file and gives the copy a new header.
 *
 * @returns Removes the copy.
 */
export async function mendHeader(path: string, copy: string): Promise<AsyncDisposable> {
  const suffixes = ["", "-wal", "-shm"];
  const remove = async () => {
    for (const suffix of suffixes) {
      await Deno.remove(copy + suffix).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  };
  try {
    await Deno.copyFile(path, copy);
    await Deno.copyFile(`${path}-wal`, `${copy}-wal`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    using file = await Deno.open(copy, { write: true });
    const { size } = await file.stat();
    await file.write(header(Math.floor(size / PAGE_BYTES)));
  } catch (error) {
    await remove();
    throw error;
  }
  return { [Symbol.asyncDispose]: remove };
}

/** A header for a file of this many pages. */
function header(pages: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("SQLite format 3\0"));
  view.setUint16(16, PAGE_BYTES);
  // Written and read in WAL mode; no reserved space; fractions, which are constants.
  bytes.set([2, 2, 0, 64, 32, 32], 18);
  // The change counter, the size in pages, and below the counter for which that size is valid.
  view.setUint32(24, 1);
  view.setUint32(28, pages);
  // The format of the schema, auto-vacuum, UTF-8, incremental vacuum.
  view.setUint32(44, 4);
  view.setUint32(52, 1);
  view.setUint32(56, 1);
  view.setUint32(60, SCHEMA_VERSION);
  view.setUint32(64, 1);
  view.setUint32(68, APPLICATION_ID);
  view.setUint32(92, 1);
  return bytes;
}
