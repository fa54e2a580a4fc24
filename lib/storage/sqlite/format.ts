/**
 * What a file is recognised by, and the settings that all who open it share.
 *
 * @module
 */

/** Version of the schema in the file. Files with a newer one are refused. */
export const SCHEMA_VERSION = 2;

/** "qrtt" in ASCII marks a SQLite file as one of quartet's. */
export const APPLICATION_ID = 0x71727474;

/** How long a write waits while another process holds a lock on the file. */
export const BUSY_TIMEOUT_MS = 2_000;

/** Size of the file that is given up when the disk is full. */
export const RESERVE_BYTES = 4 * 1024 * 1024;
