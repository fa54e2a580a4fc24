/**
 * The contract between the daemon and a service.
 *
 * @module
 */

import type { GenericSchema } from "valibot";
import type { Guard } from "./auth.ts";
import type { Bus } from "./bus/bus.ts";
import type { Log } from "./log.ts";
import type { Metric } from "./metrics.ts";
import type { Address } from "./net/address.ts";
import type { Connection } from "./net/connection.ts";
import type { Login } from "./net/login.ts";
import type { RecentLines } from "./recent_log.ts";
import type { Refusals } from "./refusals.ts";
import type { Rights } from "./rights.ts";
import type { RecordWriter } from "./storage/backup/record_writer.ts";
import type { CommitLog } from "./storage/commit_log.ts";
import type { Database, DatabaseTransaction } from "./storage/database.ts";
import type { Storage } from "./storage/storage.ts";

/** Where the daemon is in its life. */
export type DaemonState = "starting" | "ready" | "draining";

/** A running service as other services see it: they can read its state but not stop it. */
export type ObservedService = Omit<RunningService, "drain" | "refuseNewWork">;

/** The state of one service in the table. */
export interface ServiceView {
  readonly name: string;
  /** Whether it should run. */
  readonly enabled: boolean;
  /** The service itself; `undefined` while it is not running. */
  readonly running: ObservedService | undefined;
  /** When it started, in Unix time. */
  readonly sinceMs: number | undefined;
  /** What it has refused to clients whose tokens lack the right, since the daemon started. */
  readonly refusals: number;
  /** Why it cannot do its work, whether it runs or not; empty if all is well. */
  problems(): string[];
}

/** What a reload would do to one service. */
export interface ServicePreview {
  name: string;
  /** `adjust`: it keeps running, with its connections. `off`: it does not run, and will not. */
  action: "keep" | "adjust" | "restart" | "start" | "stop" | "off";
  /** The keys of its section whose values change. */
  keys: string[];
  /** Whether a restart waits until its long work is over, such as a sort, if it has any. */
  waits: boolean;
  /** The names of the tokens it would accept from then on, and of those it would no longer accept. */
  tokens: { added: string[]; removed: string[]; changed: string[] };
  /** How many connections would be closed. */
  closes: number;
}

/** What a reload would do. */
export interface ReloadPreview {
  /** What is wrong with the configuration, one line each. If anything is, a reload does nothing. */
  faults: string[];
  /** What it would do to each service, in the order of the table; empty if there are faults. */
  services: ServicePreview[];
  /** The keys of other sections that would change at once, such as "log.level". */
  keysAtOnce: string[];
  /** The keys that would change only at the next start. */
  keysForNextStart: string[];
}

/** What a service can see of the daemon that runs it, and the one change it can ask for. */
export interface DaemonView {
  readonly state: DaemonState;
  /** Whether the last reload succeeded, and when one last did, in Unix time. */
  readonly lastReload: { readonly successful: boolean; readonly successMs: number };
  /** All services, in the order of the table. */
  services(): ServiceView[];
  /** What the bus reports about itself, and why it cannot do its work; empty if it can. */
  readonly bus: { metrics(): Metric[]; problems(): string[] };
  /**
   * Returns the last lines of the log; only a limited number is kept.
   *
   * @param after Returns only lines after this position. @default {0}
   */
  recentLog(after?: number): RecentLines;
  /** What the log reports about itself. */
  logMetrics(): Metric[];
  /**
   * Switches a service on or off, as a reload does. The next reload follows the file again.
   *
   * @throws {RangeError} If there is no such service.
   * @throws {Error} If it fails; the message says why.
   */
  setEnabled(service: string, enabled: boolean): Promise<void>;
  /** Reads the configuration as a reload does, and says what that would do; changes nothing. */
  previewReload(): ReloadPreview;
}

/** A connection, as far as that decides what it may hear of other services. */
export interface Visitor {
  /** Where it comes from; see `Connection.host`. */
  readonly host: string;
  /** Its login at the service it is connected to, if that requires one. */
  readonly login: Login | undefined;
  /**
   * Whether a browser may be at the other end. A page runs code of some web site and cannot open
   * TCP connections, so without a token it is not admitted to a service it cannot connect to.
   */
  readonly web?: boolean;
}

/** What the daemon passes to a service when it starts. */
export interface ServiceContext {
  log: Log;
  daemon: DaemonView;
  /** The bus that all services share. */
  bus: Bus;
  /** The guard in force, which checks clients' tokens; `undefined` if none is required. */
  guard(): Guard | undefined;
  /** Where it is noted what clients are refused for lack of rights. */
  refusals: Refusals;
  /**
   * Whether a connection of this service could use another one, and so may hear its events on a
   * subject of the bus; see `daemon/admission.ts`. A subscriber answers `Subscriber.hears` with it,
   * each time it is asked: the answer changes when the client logs in and when the daemon reloads.
   */
  admits(service: string, subject: string, visitor: Visitor): boolean;
  /** The data directory, which exists; relative to the working directory unless absolute. */
  dataDir: string;
  /**
   * Opens a storage, by default the one of the section `[storage]`. Services that open the same URL
   * share it. The caller must close it.
   *
   * @throws {Error} If it cannot be opened; the message says why.
   */
  storage(url?: string): Promise<Storage>;
}

/** A running service. */
export interface RunningService {
  /** The addresses it is bound to; port 0 is replaced by the port that was picked. */
  readonly addresses: readonly Address[];
  /**
   * Resolves once it can do its work, if it accepts connections before. Rejects with the reason if
   * it never will; drain it then.
   */
  readonly loaded?: Promise<void>;
  /** Why it cannot do its work at the moment; empty if it can. */
  problems(): string[];
  /** Its current metrics. */
  metrics(): Metric[];
  /** What it keeps in a storage; `undefined` while that is loading. */
  data?(): ServiceData | undefined;
  /** Details for the admin page that metrics cannot express, as JSON. */
  status?(): unknown;
  /**
   * Operations that a person can run, by name. Each takes named fields, returns a sentence about
   * the outcome, and throws an `Error` with a message for the person if it fails.
   */
  readonly actions?: Readonly<Record<string, ServiceAction>>;
  /**
   * Questions about the contents of the service that a person can ask, by name. Each takes named
   * fields, changes nothing, returns JSON of bounded size, and throws as an action does.
   */
  readonly queries?: Readonly<Record<string, ServiceQuery>>;
  /** Lets a person exchange lines with it; `undefined` if it has no console. */
  readonly console?: ServiceConsole;
  /**
   * Reads its files again, such as certificates. Connections stay open.
   *
   * @throws {Error} If a file is unusable; the old content stays in force.
   */
  reread?(): void;
  /**
   * Follows a new section that differs only in {@linkcode Service.live} keys. Connections stay open.
   *
   * @throws {Error} If it cannot; it then goes on with the old one.
   */
  adjust?(config: ServiceConfig): void;
  /**
   * Starts no more work that may take hours, such as a sort. A new section waits until what runs is
   * over; switching the service off and a stop of the daemon do not.
   *
   * @returns Resolves when nothing of that kind runs; `undefined` if nothing does now.
   */
  finishLongWork?(): Promise<void> | undefined;
  /**
   * Refuses new work from now on, and finishes what it has; this lasts until the daemon ends.
   * `undefined` if it has no such mode.
   */
  refuseNewWork?(): void;
  /**
   * Stops: accepts no more connections, finishes accepted work and flushes its output.
   *
   * @param deadline Aborts when the time for that is over; work left then is cut off.
   */
  drain(deadline: AbortSignal): Promise<void>;
}

/** What a running service keeps in a storage, for a backup. */
export interface ServiceData {
  readonly storage: Storage;
  /**
   * Writes all of it as records of a commit log. For storages whose log cannot be copied.
   *
   * @param transaction Reads what the database held at one moment; `undefined` if the storage is no
   * database. Then each record is of its own moment.
   */
  save(records: RecordWriter, transaction: DatabaseTransaction | undefined): Promise<void>;
}

/** How the data of a service get from a backup into a database. */
export interface ServiceRestore {
  /** How the names of its tables in a commit log begin. */
  readonly tables: string;
  /** Creates its tables, unless they are there. */
  prepare(database: Database): Promise<void>;
  /**
   * Fills its tables with what is in a commit log.
   *
   * @throws {Error} If they are not empty.
   */
  fill(log: CommitLog, transaction: DatabaseTransaction): Promise<void>;
}

/** See {@linkcode RunningService.actions}. */
export type ServiceAction = (fields: Readonly<Record<string, unknown>>) => Promise<string>;

/** See {@linkcode RunningService.queries}. */
export type ServiceQuery = (fields: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** See {@linkcode RunningService.console}. */
export interface ServiceConsole {
  /** Whether the first line must be `AUTH` and a token. */
  readonly asksForToken: boolean;
  /**
   * Connects inside the process; the service treats the connection like any other client's.
   *
   * @throws {Error} If the service accepts no more connections.
   */
  connect(): Connection;
}

/** The keys that the daemon needs from the section of every service. */
export interface ServiceConfig {
  enabled: boolean;
  /** Whether other machines may connect without a token. */
  insecure: boolean;
}

/** The resources that a service uses, apart from its addresses; for `quartet permissions`. */
export interface ServiceNeeds {
  /** The URLs of its storages; `undefined` stands for the one of `[storage]`. */
  storages?: (string | undefined)[];
  /** The addresses it connects to. */
  connects?: Address[];
  /** What it asks the operating system, in the words of Deno's `--allow-sys`. */
  sys?: string[];
  /** Files and directories that it reads, and those that it also writes. */
  reads?: string[];
  writes?: string[];
}

/** Advice on a valid section: the keys in it that lead to the place, and a sentence. */
export interface Advice {
  readonly path: readonly string[];
  readonly message: string;
}

/** A service as the table lists it. */
export interface Service<Config extends ServiceConfig = ServiceConfig> {
  /** Its name, which is also the name of its section in the configuration. */
  readonly name: string;
  /** The schema of its section. */
  readonly schema: GenericSchema<unknown, Config>;
  /** The schema of the rights that a token can have at it, as in `config/rights.ts`. */
  readonly rights: GenericSchema<unknown, Rights>;
  /** Whether limited rights suffice to hear its events on a subject; without it, they do not. */
  hears?(rights: Rights, subject: string): boolean;
  /**
   * Whether its nodes prove to each other that they know a token, one without limited rights. So such
   * a token must be known itself, not only its hash.
   */
  proves?(config: Config): boolean;
  /** Whether it reports on the others: then it starts before them and stops after them. */
  readonly observes?: boolean;
  /** The keys of its section that can change while it runs; see {@linkcode RunningService.adjust}. */
  readonly live?: readonly string[];
  /** Only if it keeps data in a storage. */
  readonly restore?: ServiceRestore;
  /** The addresses that it listens on with a configuration. */
  addresses(config: Config): Address[];
  /** The other resources that it uses. */
  needs?(config: Config): ServiceNeeds;
  /** Advice on a valid configuration, which `quartet check` prints. */
  advice?(config: Config): Advice[];
  /** What it will do by itself under a configuration, and when: lines for `quartet check`. */
  forecast?(config: Config): string[];
  /**
   * Starts it; resolves once it accepts connections. See {@linkcode RunningService.loaded}.
   *
   * @throws {Error} If it cannot listen or open a resource; it then leaves nothing behind.
   */
  start(config: Config, context: ServiceContext): Promise<RunningService>;
}
