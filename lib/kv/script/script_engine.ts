/**
 * Everything that scripts need: their cache, and the interpreter, which exists from the first
 * script on.
 *
 * @module
 */

import type { KeyWork } from "../commands/command.ts";
import type { CommandContext } from "../commands/context.ts";
import type { CommandTable } from "../commands/table.ts";
import { type LuaLimits, LuaMachine } from "./lua_machine.ts";
import { type CachedScript, ScriptCache } from "./script_cache.ts";
import { type ScriptCall, type ScriptServer, ScriptWork } from "./script_work.ts";

/** Options for {@linkcode ScriptEngine}. */
export interface ScriptEngineOptions extends LuaLimits {
  /** The commands that scripts can call. It may return them later than the engine is created. */
  commands(): CommandTable;
}

/** Runs the scripts of a service. */
export class ScriptEngine implements ScriptServer {
  readonly scripts = new ScriptCache();
  readonly #options: ScriptEngineOptions;
  #machine: LuaMachine | undefined;

  constructor(options: ScriptEngineOptions) {
    this.#options = options;
  }

  get machine(): LuaMachine {
    return this.#machine ??= new LuaMachine(this.#options);
  }

  get commands(): CommandTable {
    return this.#options.commands();
  }

  /**
   * Finds or compiles the script with a source (one character per byte), and keeps it.
   *
   * @throws {ErrorReply} If it does not compile.
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
