/**
 * The functions on a log file, ready to be called on this thread. Commits happen on a worker thread;
 * these are for reading, checking and converting.
 *
 * @module
 */

import { statfsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { cleanFile } from "./clean_file.ts";
import { type Connection, connection, type LogFileOptions, type Modules } from "./connection.ts";
import { APPLICATION_ID, BUSY_TIMEOUT_MS, SCHEMA_VERSION } from "./format.ts";
import { type LogFile, logFile } from "./log_file.ts";
import { reserve } from "./reserve.ts";
import { scanFile } from "./scan_file.ts";

/** Node's modules. */
export const MODULES: Modules = { DatabaseSync, crc32, statfsSync };

/** The free space on the disk of a file; `Infinity` if this process may not know it. */
export function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}

/** A log file, not open yet, without a reserve. */
export function logFileAt(path: string): LogFile {
  return logFile({ connection, scanFile, cleanFile, reserve }, MODULES, optionsFor(path));
}

/** A connection to a log file, not open yet. */
export function connectionTo(path: string): Connection {
  return connection(MODULES, optionsFor(path));
}

function optionsFor(path: string): LogFileOptions {
  return {
    path,
    schemaVersion: SCHEMA_VERSION,
    applicationId: APPLICATION_ID,
    busyTimeoutMs: BUSY_TIMEOUT_MS,
    maxPages: 0,
    reserveBytes: 0,
  };
}
