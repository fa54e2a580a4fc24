/**
 * Defaults that the section `[mesh]` and the options of `quartet sort` share, as people write them.
 *
 * @module
 */

/** Memory of a sort for slots, tables and blocks. */
export const DEFAULT_MEMORY = "512MiB";

/** The longest line. */
export const DEFAULT_MAX_LINE = "1MiB";

/** How long the nodes of a job wait for each other. */
export const DEFAULT_DIAL_TIMEOUT = "60s";

/** How long a peer may be silent, or a job blocked, before the job fails. */
export const DEFAULT_STALL_TIMEOUT = "30s";

/** Limits of both timeouts. */
export const MIN_TIMEOUT_MS = 1000;
export const MAX_TIMEOUT_MS = 86_400_000;
