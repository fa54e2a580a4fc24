import { delay } from "@std/async/delay";
import { openAddresses } from "./config/addresses.ts";
import type { Config } from "./config/schema.ts";
import type { Log } from "./log.ts";
import { collide, formatAddress } from "./net/address.ts";
import type { RecentLog } from "./recent_log.ts";
import type {
  DaemonState,
  DaemonView,
  RunningService,
  Service,
  ServiceConfig,
  ServiceContext,
  ServiceView,
} from "./service.ts";
import { StoragePool } from "./storage/pool.ts";

/** What a daemon is made of. */
export interface DaemonOptions {
  /** The services that there are. */
  services: readonly Service[];
  /** Makes the log of a part of the daemon, by its name. */
  createLog: (part: string) => Log;
  /** Where the last lines of that log can be read again. */
  recentLog: RecentLog;
}

/** A service that runs, and the section that it was started with. */
interface Started {
  section: ServiceConfig;
  running: RunningService;
  sinceMs: number;
}

/**
 * The services of one configuration, running. All of them start or none; later a new configuration
 * can take the place of the old one ({@linkcode reload}).
 */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #log: Log;
  readonly #storages: StoragePool;
  readonly #started = new Map<string, Started>();
  /**
   * The configuration that each service goes by, whose tokens count: an older one for a service
   * that could not be started as a newer one says, and goes on as it was.
   */
  readonly #goesBy = new Map<string, Config>();
  /** Why a service that is enabled does not run as the configuration says. */
  readonly #failures = new Map<string, string>();
  readonly #view: DaemonView;
  /** Where files are, from the start to the end. */
  readonly #dataDir: string;
  #config: Config;
  #state: DaemonState = "starting";
  #lastReload = { successful: true, successMs: Date.now() };
  /** The last of those that change what runs; they come one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * Starts all services that a configuration enables.
   *
   * @throws {Error} If one cannot start; those that did are stopped then. The message names the
   * service and says why.
   */
  static async start(config: Config, options: DaemonOptions): Promise<Daemon> {
    const daemon = new Daemon(config, options);
    await Deno.mkdir(config.daemon.data_dir, { recursive: true });
    try {
      for (const service of daemon.#startOrder()) await daemon.#start(service, config);
    } catch (error) {
      await daemon.drain(0);
      throw error;
    }
    daemon.#state = "ready";
    return daemon;
  }

  private constructor(config: Config, options: DaemonOptions) {
    this.#config = config;
    this.#dataDir = config.daemon.data_dir;
    this.#options = options;
    this.#log = options.createLog("daemon");
    this.#storages = new StoragePool(config.storage.url, {
      dataDir: config.daemon.data_dir,
      log: options.createLog("storage"),
    });
    this.#view = this.#createView();
  }

  /** The services that run, by name. */
  get running(): ReadonlyMap<string, RunningService> {
    return new Map([...this.#started].map(([name, { running }]) => [name, running]));
  }

  /**
   * Brings the services in line with a new configuration: those whose section has changed are
   * restarted, those newly enabled start, those disabled drain. The others notice nothing. If one
   * cannot start, the error is logged, and it goes on as it was, if it was running.
   */
  async reload(config: Config): Promise<void> {
    await this.#inTurn(async () => {
      const failures = await this.#apply(config);
      this.#noteReload(failures.length === 0);
    });
  }

  /** Notes that a new configuration was at fault, so that everything goes on as it was. */
  rejectReload(): void {
    this.#noteReload(false);
  }

  /**
   * Stops all services: says that it is not ready, goes on for `drain_accept`, then takes no new
   * connections, and finishes and flushes what was accepted.
   *
   * @param timeoutMs How long that may take; what is not done by then is cut.
   */
  async drain(timeoutMs = this.#config.daemon.drain_timeout): Promise<void> {
    const wasReady = this.#state === "ready";
    this.#state = "draining";
    // Who sends clients here is to see first that it is no longer ready.
    if (wasReady) await delay(this.#config.daemon.drain_accept);
    await this.#inTurn(async () => {
      const observers = new Set(this.#options.services.filter(observes).map(({ name }) => name));
      for (const last of [false, true]) {
        const some = [...this.#started].filter(([name]) => observers.has(name) === last);
        await Promise.all(some.map(([name, started]) => this.#stop(name, started, timeoutMs)));
      }
    });
  }

  #createView(): DaemonView {
    const state = () => this.#state;
    const lastReload = () => this.#lastReload;
    return {
      get state() {
        return state();
      },
      get lastReload() {
        return lastReload();
      },
      services: () => this.#options.services.map(({ name }) => this.#viewOf(name)),
      recentLog: (after) => this.#options.recentLog.read(after),
      setEnabled: (name, enabled) => this.#inTurn(() => this.#setEnabled(name, enabled)),
    };
  }

  #viewOf(name: string): ServiceView {
    const started = this.#started.get(name);
    return {
      name,
      enabled: this.#config.services[name]?.enabled ?? false,
      running: started?.running,
      sinceMs: started?.sinceMs,
      problems: () => [
        ...(started?.running.problems() ?? []),
        ...[this.#failures.get(name) ?? []].flat(),
      ],
    };
  }

  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change);
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  #startOrder(): Service[] {
    const { services } = this.#options;
    return [...services.filter(observes), ...services.filter((service) => !observes(service))];
  }

  #noteReload(successful: boolean): void {
    const successMs = successful ? Date.now() : this.#lastReload.successMs;
    this.#lastReload = { successful, successMs };
  }

  async #setEnabled(name: string, enabled: boolean): Promise<void> {
    const before = this.#config;
    const table = this.#options.services.filter((service) => service.name === name);
    const section = before.services[name];
    if (table.length === 0 || section === undefined) {
      throw new RangeError(`Cannot switch "${name}": there is no such service`);
    }
    if (this.#state !== "ready") throw new Error(`Cannot switch ${name}: the daemon is not ready`);
    this.#log.info("Switching a service", { service: name, enabled });
    const services = { ...before.services, [name]: { ...section, enabled } };
    const config = { ...before, services };
    // A section that is switched off was not asked for this when the file was read.
    const [fault] = openAddresses(config, table);
    if (fault !== undefined) throw new Error(fault);
    const [failure] = await this.#apply(config, table);
    if (failure === undefined) return;
    this.#config = before;
    if (!section.enabled) this.#failures.delete(name);
    throw new Error(failure);
  }

  /**
   * Does what {@linkcode reload} says, for some services; returns why any could not be started.
   */
  async #apply(config: Config, services = this.#startOrder()): Promise<string[]> {
    const before = this.#config;
    this.#config = config;
    this.#warnOfRestart(before, config);
    const changed: Service[] = [];
    for (const service of services) {
      const started = this.#started.get(service.name);
      if (started === undefined || !sameConfig(config.services[service.name], started.section)) {
        changed.push(service);
        continue;
      }
      this.#failures.delete(service.name);
      this.#goesBy.set(service.name, config);
      this.#reread(service.name, started);
    }
    const stopped = new Map<string, Started>();
    const stop = async ({ name }: Service) => {
      const started = this.#started.get(name);
      if (started === undefined) return;
      stopped.set(name, started);
      await this.#stop(name, started, before.daemon.drain_timeout);
    };
    // Who is in the place of another makes way first; the rest go on until it is their turn.
    await Promise.all(
      changed.filter((service) => this.#isInTheWay(service, changed, config)).map(stop),
    );
    const failures: string[] = [];
    for (const service of changed) {
      const { name } = service;
      const goneBy = this.#goesBy.get(name);
      await stop(service);
      this.#failures.delete(name);
      try {
        await this.#start(service, config);
      } catch (error) {
        const { message } = error as Error;
        failures.push(message);
        this.#failures.set(name, message);
        this.#log.error("Cannot apply the new configuration", { error: message });
        const old = stopped.get(name);
        if (old !== undefined) await this.#startAgain(service, old.section, goneBy ?? before);
      }
    }
    return failures;
  }

  /** Whether a service listens where another one of these is to listen. */
  #isInTheWay(service: Service, others: readonly Service[], config: Config): boolean {
    const own = this.#started.get(service.name)?.running.addresses ?? [];
    return others.some((other) => {
      const section = config.services[other.name];
      if (other === service || !section?.enabled) return false;
      return other.addresses(section).some((wanted) => own.some((has) => collide(has, wanted)));
    });
  }

  /** Starts a service as it ran before, since it cannot run as it should. */
  async #startAgain(service: Service, section: ServiceConfig, goneBy: Config): Promise<void> {
    const services = { ...goneBy.services, [service.name]: section };
    try {
      await this.#start(service, { ...goneBy, services });
    } catch (error) {
      this.#log.error("Cannot go back to the old one", { error: (error as Error).message });
    }
  }

  async #start(service: Service, config: Config): Promise<void> {
    const { name } = service;
    const section = config.services[name];
    if (!section?.enabled) return;
    this.#goesBy.set(name, config);
    const context: ServiceContext = {
      log: this.#options.createLog(name),
      daemon: this.#view,
      guard: () => this.#goesBy.get(name)?.guard(name),
      dataDir: this.#dataDir,
      storage: (url) => this.#storages.open(url),
    };
    let running: RunningService;
    try {
      running = await service.start(section, context);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot start ${name}: ${reason}`, { cause });
    }
    this.#started.set(name, { section, running, sinceMs: Date.now() });
    for (const address of running.addresses) {
      this.#log.info("Listening", { service: name, address: formatAddress(address) });
    }
  }

  async #stop(name: string, started: Started, timeoutMs: number): Promise<void> {
    this.#started.delete(name);
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    try {
      await started.running.drain(deadline.signal);
    } catch (error) {
      this.#log.error("Cannot stop in good order", { service: name, error: String(error) });
    } finally {
      clearTimeout(timer);
    }
  }

  #reread(name: string, { running }: Started): void {
    try {
      running.reread?.();
    } catch (error) {
      this.#log.error("Cannot read files again", { service: name, error: String(error) });
    }
  }

  #warnOfRestart(before: Config, after: Config): void {
    const keys = [
      ["daemon.data_dir", before.daemon.data_dir, after.daemon.data_dir],
      ["storage.url", before.storage.url, after.storage.url],
    ] as const;
    for (const [key, old, current] of keys) {
      if (old !== current) this.#log.warn("A change takes effect with the next start", { key });
    }
  }
}

function observes(service: Service): boolean {
  return service.observes === true;
}

function sameConfig(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
