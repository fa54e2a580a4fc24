import process from "node:process";
import { Histogram } from "../../metrics.ts";
import type { Log } from "../../log.ts";
import type { Connection } from "../../net/connection.ts";
import { beginLogin, type Login, type LoginGuard } from "../../net/login.ts";
import type { Refusals } from "../../refusals.ts";
import { SlowCommands } from "../../slow_commands.ts";
import { SharedTurn } from "../../turn.ts";
import type { Queue } from "../queue.ts";
import type { CommandKind } from "./command.ts";
import type { BeanstalkContext } from "./context.ts";
import { BeanstalkSession } from "./session.ts";
import type { BeanstalkMetrics, ProcessFacts } from "./stats.ts";

/** Options for {@linkcode BeanstalkServer}. */
export interface BeanstalkServerOptions {
  /** The largest body of a job, in bytes. */
  maxJobBytes: number;
  /** The version that `stats` reports. */
  version: string;
  log: Log;
  /** A command that takes this long is slow; 0 for none. @default {0} */
  slowMs?: number;
  /** The guard of the service's token, if it has one. Called for each connection. */
  guard?: () => LoginGuard | undefined;
  /** Where it is noted what clients are refused for lack of rights. */
  refusals?: Refusals;
}

/** Serves a queue over the beanstalk protocol. */
export class BeanstalkServer implements BeanstalkContext {
  readonly queue: Queue;
  readonly log: Log;
  /** See {@linkcode BeanstalkServerOptions}; it may be changed. */
  maxJobBytes: number;
  readonly metrics: BeanstalkMetrics = {
    commands: new Map(),
    duration: new Histogram(),
    mistakes: 0,
    connections: 0,
    producers: 0,
    workers: 0,
    totalConnections: 0,
  };
  readonly turn = new SharedTurn();
  readonly slow: SlowCommands;
  readonly #guard: () => LoginGuard | undefined;
  readonly #refusals: Refusals | undefined;
  readonly #version: string;
  readonly #startedMs = performance.now();
  readonly #id = crypto.randomUUID().replaceAll("-", "").slice(0, 16);

  constructor(queue: Queue, options: BeanstalkServerOptions) {
    this.queue = queue;
    this.log = options.log;
    this.slow = new SlowCommands("task", options.log, options.slowMs ?? 0);
    this.maxJobBytes = options.maxJobBytes;
    this.#version = options.version;
    this.#guard = options.guard ?? (() => undefined);
    this.#refusals = options.refusals;
  }

  beginLogin(connection: Connection): Login | undefined {
    const context = { guard: this.#guard, log: this.log, refusals: this.#refusals };
    return beginLogin(connection, context);
  }

  /** Serves a client until it disconnects. */
  serve(connection: Connection): Promise<void> {
    return new BeanstalkSession(connection, this).serve();
  }

  count(kind: CommandKind): void {
    const { commands } = this.metrics;
    commands.set(kind, (commands.get(kind) ?? 0) + 1);
  }

  facts(): ProcessFacts {
    const cpu = process.cpuUsage();
    return {
      pid: Deno.pid,
      version: this.#version,
      id: this.#id,
      hostname: allowed("hostname") ? Deno.hostname() : "unknown",
      os: allowed("osRelease") ? Deno.osRelease() : Deno.build.os,
      platform: Deno.build.arch,
      uptimeMs: performance.now() - this.#startedMs,
      userCpuMicros: cpu.user,
      systemCpuMicros: cpu.system,
    };
  }
}

/** Whether Deno permits this question to the system. The program runs well without. */
function allowed(kind: "hostname" | "osRelease"): boolean {
  return Deno.permissions.querySync({ name: "sys", kind }).state === "granted";
}
