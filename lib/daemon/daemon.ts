import { delay } from "@std/async/delay";
import { admits, guarded } from "./admission.ts";
import { Bus } from "../bus/bus.ts";
import type { NatsLink } from "../bus/link/nats_link.ts";
import { linkBus } from "./bus_link.ts";
import { openAddresses } from "../config/addresses.ts";
import type { Config } from "../config/schema.ts";
import { formatKeyPath } from "../config/walk.ts";
import { drainWithin } from "./drain_limit.ts";
import { createDataDir, dataDirProblem, keepsDataInDir } from "./data_dir.ts";
import type { Guard } from "../auth.ts";
import type { Log } from "../log.ts";
import type { Metric } from "../metrics.ts";
import { Guards } from "./guards.ts";
import { keepRunning } from "./keep_running.ts";
import { formatAddress } from "../net/address.ts";
import type { RecentLog } from "../recent_log.ts";
import { Refusals } from "../refusals.ts";
import { keysForNextStart, planReload, type StartedService } from "./reload_plan.ts";
import { previewReload } from "./reload_preview.ts";
import { serviceView } from "./service_view.ts";
import type {
  DaemonState,
  DaemonView,
  ReloadPreview,
  RunningService,
  Service,
  ServiceConfig,
  ServiceContext,
  Visitor,
} from "../service.ts";
import { StoragePool } from "../storage/pool.ts";

/** What a daemon is made of. */
export interface DaemonOptions {
  /** The table of services. */
  services: readonly Service[];
  /** Creates the log of a part of the daemon, by the part's name. */
  createLog: (part: string) => Log;
  /** Keeps the last lines of that log. */
  recentLog: RecentLog;
  /** What that log reports about itself. @default {nothing} */
  logMetrics?: () => Metric[];
  /** Reads the configuration again; returns one line per fault if it is wrong. @default {no change} */
  readConfig?: () => Config | string[];
  /** Aborts the start. Afterwards it has no effect. */
  signal?: AbortSignal;
}

/**
 * Runs the services of a configuration. Either all of them start or none does; later,
 * {@linkcode reload} can replace the configuration.
 */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #log: Log;
  readonly #storages: StoragePool;
  readonly #bus = new Bus();
  /** What connects it with the buses of other daemons, if anything. A reload cannot change it. */
  #link: NatsLink | undefined;
  readonly #started = new Map<string, StartedService>();
  readonly #guards: Guards;
  /** What each service has refused for lack of rights, restarts included. */
  readonly #refusals: ReadonlyMap<string, Refusals>;
  /** Why an enabled service does not run as the configuration says. */
  readonly #failures = new Map<string, string>();
  readonly #view: DaemonView;
  /** A reload cannot change it. */
  readonly #dataDir: string;
  #config: Config;
  #state: DaemonState = "starting";
  #lastReload = { successful: true, successMs: Date.now() };
  /** Resolves when nobody should wait any longer for a service to load. */
  readonly #interrupted = Promise.withResolvers<void>();
  #refusesNewWork = false;
  /** Settles after the last queued change of what runs; changes run one at a time. */
  #lastChange: Promise<unknown> = Promise.resolve();

  /**
   * Starts all services that a configuration enables.
   *
   * @throws {Error} If one cannot start; those already started are stopped. The message names the
   * service and the reason.
   * @throws {unknown} The reason of the signal, if that aborts the start.
   */
  static async start(config: Config, options: DaemonOptions): Promise<Daemon> {
    const { signal } = options;
    const daemon = new Daemon(config, options);
    signal?.addEventListener("abort", () => daemon.#interrupted.resolve(), { once: true });
    const { data_dir: dataDir } = config.daemon;
    await createDataDir(dataDir);
    if (keepsDataInDir(config, options.services)) {
      const problem = await dataDirProblem(dataDir);
      if (problem !== undefined) throw new Error(problem);
    }
    daemon.#link = linkBus(daemon.#bus, config.bus, options.createLog("bus"));
    try {
      if (config.bus.streamMaxBytes !== undefined) {
        await Promise.race([daemon.#link?.tried(), daemon.#interrupted.promise]);
      }
      for (const service of daemon.#startOrder()) {
        signal?.throwIfAborted();
        const { name } = service;
        await daemon.#start(service, config.services[name], config.guard(name));
      }
      signal?.throwIfAborted();
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
    this.#guards = new Guards(this.#log);
    this.#refusals = new Map(
      options.services.map(({ name }) => [name, new Refusals(options.createLog(name))]),
    );
    this.#storages = new StoragePool(config.storage.url, {
      dataDir: config.daemon.data_dir,
      log: options.createLog("storage"),
    });
    this.#view = this.#createView();
  }

  /** The running services, by name. */
  get running(): ReadonlyMap<string, RunningService> {
    return new Map([...this.#started].map(([name, { running }]) => [name, running]));
  }

  /**
   * Applies a new configuration: restarts the services whose section changed, starts those newly
   * enabled, drains those disabled, and lets the others reread their files. A service with long
   * work is restarted later, when that work is over. If a service cannot start, logs the error and
   * restarts it with its old section if it was running. The reload has failed if any service could
   * not start or reread its files; that is then a problem of the service.
   */
  async reload(config: Config): Promise<void> {
    await this.#enqueue(async () => {
      const failures = await this.#apply(config, this.#startOrder(), true);
      this.#recordReload(failures.length === 0);
    });
  }

  /** Records that a new configuration was faulty and nothing was changed. */
  rejectReload(): void {
    this.#recordReload(false);
  }

  /**
   * Makes the services refuse new work and finish what they have, until the daemon ends. A reload
   * does not change that.
   *
   * @returns The names of those that run and have such a mode.
   */
  refuseNewWork(): string[] {
    this.#refusesNewWork = true;
    const obeying = [...this.#started].filter(([, { running }]) => running.refuseNewWork);
    for (const [, { running }] of obeying) running.refuseNewWork!();
    return obeying.map(([name]) => name);
  }

  /**
   * Stops all services: reports that it is not ready, keeps serving for `drain_accept`, then accepts
   * no new connections, finishes accepted work and flushes its output.
   *
   * @param timeoutMs How long that last step may take; work left then is cut off.
   */
  async drain(timeoutMs = this.#config.daemon.drain_timeout): Promise<void> {
    const wasReady = this.#state === "ready";
    this.#state = "draining";
    this.#interrupted.resolve();
    // A load balancer must see that the daemon is not ready before connections are refused.
    if (wasReady) await delay(this.#config.daemon.drain_accept);
    await this.#enqueue(async () => {
      const observers = new Set(this.#options.services.filter(observes).map(({ name }) => name));
      for (const last of [false, true]) {
        const some = [...this.#started].filter(([name]) => observers.has(name) === last);
        await Promise.all(some.map(([name, started]) => this.#stop(name, started, timeoutMs)));
      }
      await this.#link?.close();
    });
  }

  #createView(): DaemonView {
    const state = () => this.#state;
    const lastReload = () => this.#lastReload;
    const [started, refusals, failures] = [this.#started, this.#refusals, this.#failures];
    const facts = () => ({ config: this.#config, started, refusals, failures });
    return {
      get state() {
        return state();
      },
      get lastReload() {
        return lastReload();
      },
      services: () => this.#options.services.map(({ name }) => serviceView(name, facts())),
      bus: this.#bus,
      recentLog: (after) => this.#options.recentLog.read(after),
      logMetrics: () => this.#options.logMetrics?.() ?? [],
      setEnabled: (name, enabled) => this.#enqueue(() => this.#setEnabled(name, enabled)),
      previewReload: () => this.#previewReload(),
    };
  }

  #previewReload(): ReloadPreview {
    const { services, readConfig = () => this.#config } = this.#options;
    const guard = (name: string) => this.#guards.of(name);
    const inForce = { config: this.#config, started: this.#started, guard };
    return previewReload(services, inForce, readConfig());
  }

  /** Runs a change once all earlier ones are done. */
  async #enqueue<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change);
    this.#lastChange = result.catch(() => {});
    return await result;
  }

  #startOrder(): Service[] {
    const { services } = this.#options;
    return [...services.filter(observes), ...services.filter((service) => !observes(service))];
  }

  #recordReload(successful: boolean): void {
    const successMs = successful ? Date.now() : this.#lastReload.successMs;
    this.#lastReload = { successful, successMs };
  }

  async #setEnabled(name: string, enabled: boolean): Promise<void> {
    const before = this.#config;
    const service = this.#options.services.find((candidate) => candidate.name === name);
    const section = before.services[name];
    if (service === undefined || section === undefined) {
      throw new RangeError(`Cannot switch "${name}": there is no such service`);
    }
    if (this.#state !== "ready") throw new Error(`Cannot switch ${name}: the daemon is not ready`);
    this.#log.info("Switching a service", { service: name, enabled });
    const services = { ...before.services, [name]: { ...section, enabled } };
    const config = { ...before, services };
    // Reading the file skips this check for a disabled service.
    const [fault] = openAddresses(config, [service]);
    if (fault !== undefined) throw new Error(`${formatKeyPath(fault.path)}: ${fault.message}`);
    const [failure] = await this.#apply(config, [service]);
    if (failure === undefined) return;
    this.#config = before;
    if (!section.enabled) this.#failures.delete(name);
    throw new Error(failure);
  }

  /** Applies a configuration to some services; returns why any of them could not follow it. */
  async #apply(config: Config, services: readonly Service[], patient = false): Promise<string[]> {
    const before = this.#config;
    this.#config = config;
    for (const key of keysForNextStart(before, config)) {
      this.#log.warn("Change takes effect at the next start", { key });
    }
    const { kept, changed, stopFirst } = planReload(services, this.#started, config);
    const failures: string[] = [];
    for (const change of kept) {
      const { name } = change.service;
      this.#guards.follow(name, config);
      const started = this.#started.get(name)!;
      const failure = keepRunning(started, change, { config, log: this.#log });
      if (failure === undefined) this.#failures.delete(name);
      else {
        failures.push(failure);
        this.#failures.set(name, failure);
      }
    }
    const stopped = new Map<string, StartedService>();
    const stop = async ({ name }: Service) => {
      const started = this.#started.get(name);
      if (started === undefined) return;
      stopped.set(name, started);
      await this.#stop(name, started, before.daemon.drain_timeout);
    };
    await Promise.all(stopFirst.map(stop));
    // The other changed services keep running until it is their turn.
    for (const { service, action, keys } of changed) {
      const { name } = service;
      if (action === "restart") this.#log.info("Restarting", { service: name, keys: keys.join() });
      if (patient && !stopFirst.includes(service) && this.#postpone(service)) {
        this.#guards.follow(name, config, { hasOldSection: true });
        continue;
      }
      const oldGuard = this.#guards.of(name);
      await stop(service);
      this.#failures.delete(name);
      try {
        await this.#start(service, config.services[name], config.guard(name));
      } catch (error) {
        const { message } = error as Error;
        failures.push(message);
        this.#failures.set(name, message);
        this.#log.error("Cannot apply the new configuration", { error: message });
        const old = stopped.get(name);
        if (old !== undefined) await this.#startAgain(service, old.section, oldGuard);
      }
    }
    return failures;
  }

  /** Restarts a service when its long work is over; returns whether it has any. */
  #postpone(service: Service): boolean {
    const started = this.#started.get(service.name);
    const work = started?.running.finishLongWork?.();
    if (started === undefined || work === undefined) return false;
    started.outdated = true;
    this.#log.info("Restarts when its work is over", { service: service.name });
    const restart = () =>
      this.#state === "ready" ? this.#apply(this.#config, [service]) : undefined;
    void work.then(() => this.#enqueue(async () => await restart()));
    return true;
  }

  /** Restarts a service with its old section and its old tokens after its new section failed. */
  async #startAgain(...old: [Service, ServiceConfig, Guard | undefined]): Promise<void> {
    try {
      await this.#start(...old);
    } catch (error) {
      this.#log.error("Cannot go back to the old one", { error: (error as Error).message });
    }
  }

  async #start(
    service: Service,
    section: ServiceConfig | undefined,
    guard: Guard | undefined,
  ): Promise<void> {
    const { name } = service;
    if (!section?.enabled) return;
    this.#guards.set(name, guard);
    const context: ServiceContext = {
      log: this.#options.createLog(name),
      daemon: this.#view,
      bus: this.#bus,
      guard: () => this.#guards.of(name),
      refusals: this.#refusals.get(name)!,
      admits: (other, subject, visitor) => this.#admits(other, subject, visitor),
      dataDir: this.#dataDir,
      storage: (url) => this.#storages.open(url),
    };
    let started: StartedService | undefined;
    try {
      const running = await service.start(section, context);
      started = { section, running, sinceMs: Date.now() };
      this.#started.set(name, started);
      if (this.#refusesNewWork) running.refuseNewWork?.();
      for (const address of running.addresses) {
        this.#log.info("Listening", { service: name, address: formatAddress(address) });
      }
      await Promise.race([running.loaded, this.#interrupted.promise]);
    } catch (cause) {
      if (started !== undefined) await this.#stop(name, started, 0);
      const reason = cause instanceof Error ? cause.message : String(cause);
      const problem = await dataDirProblem(this.#dataDir);
      const hint = problem === undefined ? "" : `. ${problem}`;
      throw new Error(`Cannot start ${name}: ${reason}${hint}`, { cause });
    }
  }

  #admits(name: string, subject: string, visitor: Visitor): boolean {
    const started = this.#started.get(name);
    if (started === undefined) return false;
    const service = this.#options.services.find((candidate) => candidate.name === name)!;
    return admits(guarded(service, { ...started, guard: this.#guards.of(name), subject }), visitor);
  }

  async #stop(name: string, started: StartedService, timeoutMs: number): Promise<void> {
    this.#started.delete(name);
    try {
      await drainWithin(timeoutMs, (deadline) => started.running.drain(deadline));
    } catch (error) {
      this.#log.error("Cannot stop cleanly", { service: name, error: String(error) });
    }
  }
}

function observes(service: Service): boolean {
  return service.observes === true;
}
