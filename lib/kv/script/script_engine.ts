/**
 * Everything that scripts need: their cache, and the interpreter, which is started for the first
 * script.
 *
 * @module
 */

import type { KeyWork } from "../commands/command.ts";
import type { CommandContext } from "../commands/context.ts";
import type { CommandTable } from "../commands/table.ts";
import { ErrorReply } from "../resp/reply.ts";
import { type LuaLimits, LuaMachine } from "./lua_machine.ts";
import { type CachedScript, ScriptCache } from "./script_cache.ts";
import { type ScriptCall, type ScriptServer, ScriptWork } from "./script_work.ts";

/** After a failed start, scripts fail at once for this long before the next attempt. */
const RETRY_START_MS = 1000;

/** Options for {@linkcode ScriptEngine}. */
export interface ScriptEngineOptions {
  limits: LuaLimits;
  /** The commands that scripts can call. It may return them later than the engine is created. */
  commands(): CommandTable;
  /** Starts an interpreter. @default {LuaMachine.start} */
  start?: (limits: LuaLimits) => Promise<LuaMachine>;
}

/** Runs the scripts of a service. */
export class ScriptEngine implements ScriptServer {
  readonly scripts = new ScriptCache();
  readonly #options: Omit<ScriptEngineOptions, "limits">;
  #limits: LuaLimits;
  #machine: LuaMachine | undefined;
  #starting: Promise<void> | undefined;
  #failure: { reply: ErrorReply; atMs: number } | undefined;

  constructor({ limits, ...options }: ScriptEngineOptions) {
    this.#limits = limits;
    this.#options = options;
  }

  /**
   * Changes the limits. They are built into an interpreter, so one that runs is replaced; scripts use
   * it until the next one has started, and go on with it if that fails.
   *
   * @returns Why the next one cannot be started; `undefined` once the limits are in force.
   */
  async setLimits(limits: LuaLimits): Promise<string | undefined> {
    const { timeoutMs, memoryBytes } = this.#limits;
    if (limits.timeoutMs === timeoutMs && limits.memoryBytes === memoryBytes) return undefined;
    this.#limits = limits;
    // The start that is in progress has the old limits, and no later one may overtake it.
    while (this.#starting !== undefined) await this.#starting;
    if (this.#machine === undefined || limits !== this.#limits) return undefined;
    await (this.#starting = this.#start());
    return this.#failure?.reply.message;
  }

  /**
   * Starts the interpreter unless it runs. All callers share one start. A daemon that runs no
   * scripts never pays for it.
   *
   * @returns What to await before a script, if anything. It never rejects; after a failure
   * {@linkcode ScriptEngine.machine} throws.
   */
  ready(): Promise<void> | undefined {
    if (this.#machine !== undefined) return undefined;
    const failedMs = this.#failure?.atMs ?? -Infinity;
    if (performance.now() - failedMs < RETRY_START_MS) return undefined;
    return this.#starting ??= this.#start();
  }

  async #start(): Promise<void> {
    const { start = LuaMachine.start } = this.#options;
    try {
      this.#machine = await start(this.#limits);
      this.#failure = undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const reply = new ErrorReply(`ERR Cannot start the Lua interpreter: ${reason}`);
      this.#failure = { reply, atMs: performance.now() };
    } finally {
      this.#starting = undefined;
    }
  }

  /**
   * The interpreter. Await {@linkcode ScriptEngine.ready} before.
   *
   * @throws {ErrorReply} If it could not be started.
   */
  get machine(): LuaMachine {
    if (this.#machine !== undefined) return this.#machine;
    throw this.#failure?.reply ?? new Error("The Lua interpreter has not been started");
  }

  get commands(): CommandTable {
    return this.#options.commands();
  }

  /**
   * Finds or compiles the script with a source (one character per byte), and keeps it.
   *
   * @throws {ErrorReply} If it does not compile, or the interpreter could not be started.
   */
  load(source: string): CachedScript {
    const script = this.scripts.of(source);
    if (!this.scripts.has(script.hash)) {
      this.machine.check(script);
      this.scripts.keep(script);
    }
    return script;
  }

  /** The work of a call. */
  work(call: ScriptCall, context: CommandContext): KeyWork {
    return new ScriptWork(call, this, context);
  }
}
