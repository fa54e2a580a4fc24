/**
 * What a service is, and the one table that lists them. The daemon knows services through this
 * file alone: a new one is a folder beside `echo/` and a line in {@linkcode SERVICES}.
 *
 * @module
 */

import type { GenericSchema } from "valibot";
import type { Log } from "./log.ts";
import type { Metric } from "./metrics.ts";
import type { Address } from "./net/address.ts";
import type { Storage } from "./storage/open.ts";
import { echo } from "./echo/mod.ts";
import { kv } from "./kv/mod.ts";
import { task } from "./task/mod.ts";

/** What the daemon passes to a service that starts. */
export interface ServiceContext {
  log: Log;
  /** The directory for files, absolute. It exists. */
  dataDir: string;
  /**
   * Opens a storage; the default is that of the section `[storage]`. Services that open the same
   * URL share one. Whoever opens it closes it, when it needs it no more.
   *
   * @throws {Error} If it cannot be opened; the message says why.
   */
  storage(url?: string): Promise<Storage>;
}

/** A service that runs. */
export interface RunningService {
  /** Where it listens: what was bound, so a port 0 shows as the port that was picked. */
  readonly addresses: readonly Address[];
  /** Why it cannot do its work at the moment; empty when it can. */
  problems(): string[];
  /** Its figures of this moment. */
  metrics(): Metric[];
  /**
   * Takes no more connections, finishes and flushes what was accepted, and stops.
   *
   * @param deadline Aborts when the time for it is over; what is left then is cut.
   */
  drain(deadline: AbortSignal): Promise<void>;
}

/** What every section of a service has. */
export interface ServiceConfig {
  enabled: boolean;
}

/** A service as the table lists it. */
export interface Service<Config extends ServiceConfig = ServiceConfig> {
  /** Its name, which is also that of its section in the configuration. */
  readonly name: string;
  /** The schema of its section. */
  readonly schema: GenericSchema<unknown, Config>;
  /** The addresses that a configuration makes it listen on. */
  addresses(config: Config): Address[];
  /**
   * Starts it; resolves when it accepts.
   *
   * @throws {Error} If it cannot listen or open what it needs; then nothing of it is left behind.
   */
  start(config: Config, context: ServiceContext): Promise<RunningService>;
}

/** All services, in the order in which they start. */
// deno-lint-ignore no-explicit-any -- each service has a configuration of its own type
export const SERVICES: readonly Service<any>[] = [echo, kv, task];
