/**
 * What a service is: what it is given, what it tells, and what it can be asked to do.
 *
 * @module
 */

import type { GenericSchema } from "valibot";
import type { Guard } from "./auth.ts";
import type { Log } from "./log.ts";
import type { Metric } from "./metrics.ts";
import type { Address } from "./net/address.ts";
import type { Connection } from "./net/connection.ts";
import type { RecentLines } from "./recent_log.ts";
import type { Storage } from "./storage/storage.ts";

/** Where the daemon is in its life. */
export type DaemonState = "starting" | "ready" | "draining";

/** A service as one that tells of it sees it: its figures, not its life. */
export type ServiceFigures = Omit<RunningService, "drain">;

/** What is known of one service of the table. */
export interface ServiceView {
  readonly name: string;
  /** Whether it is to run. */
  readonly enabled: boolean;
  /** The service itself; `undefined` if it does not run. */
  readonly running: ServiceFigures | undefined;
  /** Since when it has been running, in Unix time. */
  readonly sinceMs: number | undefined;
  /** Why it does not do its work, whether it runs or not; empty if all is well. */
  problems(): string[];
}

/** What a service can see of the daemon that runs it, and the one thing that it can ask of it. */
export interface DaemonView {
  readonly state: DaemonState;
  /** Whether the last configuration was taken whole, and when that last was so, in Unix time. */
  readonly lastReload: { readonly successful: boolean; readonly successMs: number };
  /** All services that there are, in the order of the table. */
  services(): ServiceView[];
  /**
   * The lines that were logged last; there is a bound to how many are kept.
   *
   * @param after Only those that came after this position. @default {0}
   */
  recentLog(after?: number): RecentLines;
  /**
   * Switches a service on or off, as a reload does; the next reload goes by the file again.
   *
   * @throws {RangeError} If there is no such service.
   * @throws {Error} If it cannot be done; the message says why.
   */
  setEnabled(service: string, enabled: boolean): Promise<void>;
}

/** What the daemon passes to a service that starts. */
export interface ServiceContext {
  log: Log;
  daemon: DaemonView;
  /** Who asks its clients for a token at this moment; `undefined` if nobody does. */
  guard(): Guard | undefined;
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
  /** More for people to look at than figures can tell, as JSON. */
  status?(): unknown;
  /**
   * What a person can have it do, by name. Each takes what was filled in by name, returns a
   * sentence on what it came to, and throws an `Error` with a message for the person otherwise.
   */
  readonly actions?: Readonly<Record<string, ServiceAction>>;
  /** Lets a person talk to it in lines; `undefined` if that makes no sense. */
  readonly console?: ServiceConsole;
  /**
   * Reads the files again that it was started with, such as certificates; connections stay.
   *
   * @throws {Error} If one cannot be used; what was in force stays so.
   */
  reread?(): void;
  /**
   * Takes no more connections, finishes and flushes what was accepted, and stops.
   *
   * @param deadline Aborts when the time for it is over; what is left then is cut.
   */
  drain(deadline: AbortSignal): Promise<void>;
}

/** See {@linkcode RunningService.actions}. */
export type ServiceAction = (fields: Readonly<Record<string, unknown>>) => Promise<string>;

/** See {@linkcode RunningService.console}. */
export interface ServiceConsole {
  /** Whether the first line has to be `AUTH` and a token. */
  readonly asksForToken: boolean;
  /**
   * Connects inside of the process; what is on the other side takes it for a client like any other.
   *
   * @throws {Error} If the service takes no more connections.
   */
  connect(): Connection;
}

/** What every section of a service has. */
export interface ServiceConfig {
  enabled: boolean;
  /** Whether other machines may connect without a token. */
  insecure: boolean;
}

/** What a service works with beside the addresses it listens on; for `quartet permissions`. */
export interface ServiceNeeds {
  /** The URLs of its storages; `undefined` stands for the one of `[storage]`. */
  storages?: (string | undefined)[];
  /** Where it connects to. */
  connects?: Address[];
  /** Files and folders that it reads, and those that it also writes. */
  reads?: string[];
  writes?: string[];
}

/** A service as the table lists it. */
export interface Service<Config extends ServiceConfig = ServiceConfig> {
  /** Its name, which is also that of its section in the configuration. */
  readonly name: string;
  /** The schema of its section. */
  readonly schema: GenericSchema<unknown, Config>;
  /** Whether it tells of the others: then it starts before them, and stops when they have. */
  readonly observes?: boolean;
  /** The addresses that a configuration makes it listen on. */
  addresses(config: Config): Address[];
  /** What else it works with. */
  needs?(config: Config): ServiceNeeds;
  /**
   * Starts it; resolves when it accepts.
   *
   * @throws {Error} If it cannot listen or open what it needs; then nothing of it is left behind.
   */
  start(config: Config, context: ServiceContext): Promise<RunningService>;
}
