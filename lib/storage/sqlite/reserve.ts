/**
 * Space kept for a full disk: a file beside the database that is deleted when the disk is full, so
 * that deletions, and the snapshot that makes room for more, can still be written. Little else is
 * written until the file is back.
 *
 * @module
 */

import type { Connection, Modules } from "./connection.ts";

/** Creates the functions on it. Runs in a worker thread from its source text; see connection.ts. */
export function reserve(connection: Connection, modules: Modules) {
  const { path, reserveBytes, maxPages } = connection.options;
  const file = `${path}.reserve`;
  const pageBytes = 4096;
  /** After so many pages the write-ahead log is written over again: SQLite's default, and less. */
  const walPages = 1_000;
  const shortWalPages = 64;
  /** How often to try to create the file. */
  const retryMs = 1_000;
  let kept = false;
  let triedMs = -Infinity;

  /** Whether the file is there; creates it if there is enough space. */
  function keep(): boolean {
    if (kept || reserveBytes === 0) return true;
    try {
      if (maxPages > 0) {
        if (!connection.isOpen || connection.number("PRAGMA page_count") > maxPages) return false;
        connection.exec(`PRAGMA max_page_count = ${maxPages}`);
      }
      kept = exists() || create();
      if (kept) connection.exec(`PRAGMA wal_autocheckpoint = ${walPages}`);
    } catch {
      // No space, or no permission. The next group tries again.
    }
    return kept;
  }

  /** The free space on the disk, if this process may know it. */
  function freeBytes(): number {
    try {
      const { bavail, bsize } = modules.statfsSync(path);
      return bavail * bsize;
    } catch {
      return Infinity;
    }
  }

  function exists(): boolean {
    try {
      return Deno.statSync(file).size >= reserveBytes;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  function create(): boolean {
    if (freeBytes() < 2 * reserveBytes || performance.now() - triedMs < retryMs) return false;
    triedMs = performance.now();
    try {
      Deno.writeFileSync(file, new Uint8Array(reserveBytes));
      return true;
    } catch (error) {
      Deno.removeSync(file);
      throw error;
    }
  }

  /** Gives up the space; returns whether there was any. */
  function release(): boolean {
    try {
      if (!kept && !exists()) return false;
      kept = false;
      Deno.removeSync(file);
      if (connection.isOpen) connection.exec(`PRAGMA wal_autocheckpoint = ${shortWalPages}`);
    } catch {
      // Somebody else has removed it, or it cannot be removed.
      return false;
    }
    if (maxPages > 0 && connection.isOpen) {
      connection.exec(`PRAGMA max_page_count = ${maxPages + Math.ceil(reserveBytes / pageBytes)}`);
    }
    return true;
  }

  return {
    keep,
    release,
    /** Whether the space is kept at present, or none is to be kept. */
    get kept() {
      return kept || reserveBytes === 0;
    },
  };
}
