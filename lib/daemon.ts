import type { Config } from "./config/schema.ts";
import type { Log } from "./log.ts";
import { formatAddress } from "./net/address.ts";
import type { RunningService, Service, ServiceConfig, ServiceContext } from "./service.ts";
import { StoragePool } from "./storage/pool.ts";

/** What a daemon is made of. */
export interface DaemonOptions {
  /** The services that there are, in the order in which they start. */
  services: readonly Service[];
  /** Makes the log of a part of the daemon, by its name. */
  createLog: (part: string) => Log;
}

/** A service that runs, and the section that it was started with. */
interface Started {
  section: ServiceConfig;
  running: RunningService;
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
  #config: Config;

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
      for (const service of options.services) await daemon.#start(service, config);
    } catch (error) {
      await daemon.drain(0);
      throw error;
    }
    return daemon;
  }

  private constructor(config: Config, options: DaemonOptions) {
    this.#config = config;
    this.#options = options;
    this.#log = options.createLog("daemon");
    this.#storages = new StoragePool(config.storage.url, {
      dataDir: config.daemon.data_dir,
      log: options.createLog("storage"),
    });
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
    const before = this.#config;
    this.#config = config;
    this.#warnOfRestart(before, config);
    for (const service of this.#options.services) {
      const started = this.#started.get(service.name);
      const section = config.services[service.name];
      if (started !== undefined) {
        if (sameConfig(section, started.section)) continue;
        await this.#stop(service.name, started, before.daemon.drain_timeout);
      }
      try {
        await this.#start(service, config);
      } catch (error) {
        this.#log.error("Cannot apply the new configuration", { error: (error as Error).message });
        if (started !== undefined) await this.#start(service, before);
      }
    }
  }

  /**
   * Stops all services: no new connections, what was accepted is finished and flushed.
   *
   * @param timeoutMs How long that may take; what is not done by then is cut.
   */
  async drain(timeoutMs = this.#config.daemon.drain_timeout): Promise<void> {
    await Promise.all(
      [...this.#started].map(([name, started]) => this.#stop(name, started, timeoutMs)),
    );
  }

  async #start(service: Service, config: Config): Promise<void> {
    const { name } = service;
    const section = config.services[name];
    if (!section?.enabled) return;
    const context: ServiceContext = {
      log: this.#options.createLog(name),
      dataDir: config.daemon.data_dir,
      storage: (url) => this.#storages.open(url),
    };
    let running: RunningService;
    try {
      running = await service.start(section, context);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot start ${name}: ${reason}`, { cause });
    }
    this.#started.set(name, { section, running });
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

function sameConfig(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
