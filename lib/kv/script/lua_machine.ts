/**
 * Runs scripts in Lua, each within limits of time and memory.
 *
 * A script that runs out of either is left by an exception in the middle of the interpreter, which
 * then returns to the state it had before the first script. That is a copy of some 200 kB, and no
 * trick of the script can prevent it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Turn } from "../../turn.ts";
import type { Value } from "../../storage/value.ts";
import { ErrorReply, OK, type Reply, SimpleString } from "../resp/reply.ts";
import { Request } from "../resp/request.ts";
import { listsLiteral, replyLiteral } from "./literals.ts";
import bit from "./lua/bit.lua" with { type: "text" };
import cjson from "./lua/cjson.lua" with { type: "text" };
import prelude from "./lua/prelude.lua" with { type: "text" };
import { LuaState } from "./lua_state.ts";
import { type Address, compileLua, type LuaModule } from "./lua_wasm.ts";
import { decodeResult } from "./results.ts";
import { ScriptClock } from "./script_clock.ts";
import { ScriptStoppedError } from "./stopped.ts";

/** What is written in Lua; the prelude uses the others. */
const LIBRARIES = { bit, cjson, prelude };

/** Turns of loops between two looks at the clock: about 50 microseconds. */
const FUEL_PER_LOOK = 20_000;

/** The most that a look may count: many times what the turns take, and what most commands take. */
const MAX_TURNS_MS = 1, MAX_COMMAND_MS = 2;

/** Up to this many keys and arguments are pushed on the stack of Lua, which has room for 20. */
const MAX_PUSHED = 12;

/** Once scripts of this total size are compiled, the interpreter starts afresh. */
const MAX_COMPILED_BYTES = 256 * 1024;

/** The name of scripts in error messages. */
const SCRIPT_NAME = "@user_script";

/** What comes back from a command; see lua/prelude.lua. */
const NIL = 0, STRING = 1, ABSENT = 2, ERROR = 3, STATUS = 4, IS_OK = 5, NUMBER = 6, INTEGER = 7;

/** Integers of up to this size travel in the result of the call itself. */
const MAX_SHORT_INTEGER = 2 ** 27;

/** Characters that begin a call of the host: "a", "c", "h", "r" and "s". */
const ALLOWS = 0x61, CALL = 0x63, HASH = 0x68, PROTOCOL = 0x72, SEED = 0x73;

/** Limits on one run. */
export interface LuaLimits {
  /** How long a script may run, in milliseconds. */
  timeoutMs: number;
  /** The memory of the interpreter. */
  memoryBytes: number;
}

/** The rest of the server, as a script sees it. What its methods throw ends the script. */
export interface ScriptHost {
  /** Runs a command. The request is valid during the call only. */
  call(request: Request): Reply;
  /** Whether scripts may call the command of a request. */
  allows(request: Request): boolean;
  /** Where the random numbers of the script start: a 32-bit integer. */
  readonly seed: number;
}

/** A script. */
export interface Script {
  /** The SHA-1 hash of the text, in hexadecimal. */
  readonly hash: string;
  /** What is compiled, one character per byte. */
  readonly text: string;
}

/** What one run of a script is given. */
export interface RunOptions {
  readonly keys: readonly string[];
  readonly args: readonly Value[];
  readonly host: ScriptHost;
  /** The time that earlier runs have taken, in milliseconds. It counts. @default {0} */
  readonly usedMs?: number;
}

/** An interpreter. */
export class LuaMachine {
  readonly #limits: LuaLimits;
  readonly #clock: ScriptClock;
  readonly #state: LuaState;
  readonly #request = new Request();
  #compiled = new Set<string>();
  #compiledBytes = 0;
  #host: ScriptHost | undefined;
  #protocol: 2 | 3 = 2;

  /** Starts an interpreter, in turns so that other work goes on. */
  static async start(limits: LuaLimits): Promise<LuaMachine> {
    const module = await compileLua(limits.memoryBytes);
    const turn = new Turn();
    const machine = new LuaMachine(module, limits);
    for (const [name, source] of Object.entries(LIBRARIES)) {
      await turn.next();
      machine.#load(name, source);
    }
    await turn.next();
    machine.#state.save();
    return machine;
  }

  private constructor(module: LuaModule, limits: LuaLimits) {
    this.#limits = limits;
    this.#clock = new ScriptClock(limits.timeoutMs);
    const state = this.#state = new LuaState(module, {
      refuel: () => this.#checkTime(MAX_TURNS_MS),
      outOfMemory: () => {
        throw this.#stopped("memory");
      },
      execute: (text) => this.#execute(text),
    });
    for (const name of ["reply", "run", "scripts"]) state.intern(name);
  }

  /** Runs a library and keeps its result in the registry. */
  #load(name: string, source: string): void {
    const state = this.#state;
    state.intern(name);
    const problem = state.load(source, "=redis") ?? state.call(0);
    if (problem !== undefined) throw new Error(`Cannot load ${name}: ${problem}`);
    state.popRegistry(name);
  }

  /** How long the latest script has run, in milliseconds, including its earlier runs. */
  get usedMs(): number {
    return this.#clock.usedMs;
  }

  /**
   * Checks that a script compiles.
   *
   * @throws {ErrorReply} If it does not.
   * @throws {ScriptStoppedError}
   */
  check(script: Script): void {
    this.#start(0);
    this.#guard(() => this.#compile(script));
  }

  /**
   * Runs a script, and returns its reply. An error in the script is an error reply.
   *
   * @throws {ErrorReply} If it does not compile.
   * @throws {ScriptStoppedError} If it exceeds a limit.
   * @throws What the host throws.
   */
  run(script: Script, { keys, args, host, usedMs = 0 }: RunOptions): Reply {
    this.#start(usedMs);
    this.#host = host;
    this.#protocol = 2;
    return this.#guard(() => {
      this.#compile(script);
      const state = this.#state;
      state.pushRegistry("run");
      state.push(script.hash);
      const problem = state.call(1 + this.#pushArguments(keys, args));
      if (problem !== undefined) throw new Error(`Cannot run a script: ${problem}`);
      const reply = decodeResult(state.memory, state.top());
      state.clear();
      return reply;
    });
  }

  #start(usedMs: number): void {
    this.#clock.start(usedMs);
    this.#state.fuel = FUEL_PER_LOOK;
  }

  /** Pushes what the prelude passes to the script as KEYS and ARGV; returns the number of values. */
  #pushArguments(keys: readonly string[], args: readonly Value[]): number {
    const state = this.#state;
    const count = keys.length + args.length;
    if (count > MAX_PUSHED) {
      state.pushLiteral(listsLiteral(keys, args));
      return 1;
    }
    state.push(String(keys.length));
    for (const key of keys) state.push(key);
    for (const arg of args) state.push(arg);
    return 1 + count;
  }

  /** Does something with the interpreter, and resets it after an exception. */
  #guard<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.#reset();
      // Recursion of the interpreter can exhaust the stack of the thread.
      if (error instanceof RangeError || error instanceof WebAssembly.RuntimeError) {
        throw new ScriptStoppedError("it recursed too deeply");
      }
      throw error;
    }
  }

  #reset(): void {
    this.#state.restore();
    this.#compiled = new Set();
    this.#compiledBytes = 0;
  }

  #stopped(what: "memory" | "time"): ScriptStoppedError {
    const { timeoutMs, memoryBytes } = this.#limits;
    return new ScriptStoppedError(
      what === "time"
        ? `it ran for more than ${timeoutMs} ms (script_timeout)`
        : `it used more than ${Math.floor(memoryBytes / 1024)} KiB of memory (script_memory)`,
    );
  }

  #checkTime(maxStepMs: number): void {
    if (this.#clock.look(maxStepMs)) throw this.#stopped("time");
    this.#state.fuel = FUEL_PER_LOOK;
  }

  #compile({ hash, text }: Script): void {
    if (this.#compiled.has(hash)) return;
    if (this.#compiledBytes + text.length > MAX_COMPILED_BYTES) this.#reset();
    const state = this.#state;
    state.pushRegistry("scripts");
    // Compiled code would not be checked, so only text is compiled.
    const problem = text.startsWith("\x1b")
      ? "user_script:1: unexpected symbol near '<\\27>'"
      : state.load(text, SCRIPT_NAME);
    if (problem !== undefined) {
      state.clear();
      throw new ErrorReply(`ERR Error compiling script (new function): ${problem}`);
    }
    state.popField(hash);
    state.clear();
    this.#compiled.add(hash);
    this.#compiledBytes += text.length;
  }

  /** A call of the prelude; see lua/prelude.lua for its form and for the result. */
  #execute(text: Address): number {
    const { memory } = this.#state;
    switch (memory[text]) {
      case CALL:
        this.#readRequest(text + 1);
        return this.#reply(this.#runCommand());
      case ALLOWS:
        this.#readRequest(text + 1);
        return this.#host!.allows(this.#request) ? 1 : 0;
      case PROTOCOL:
        this.#protocol = memory[text + 1] === 0x33 ? 3 : 2;
        return NIL;
      case SEED:
        return this.#host!.seed;
      case HASH: {
        const { end, value } = readNumber(memory, text + 1);
        const bytes = memory.subarray(end + 1, end + 1 + value);
        return this.#leave(STRING, createHash("sha1").update(bytes).digest("hex"));
      }
      default:
        throw new Error("Cannot understand a call of the prelude");
    }
  }

  /** Runs a command, which may take much longer than a turn of a loop. */
  #runCommand(): Reply {
    const reply = this.#host!.call(this.#request);
    this.#checkTime(MAX_COMMAND_MS);
    return reply;
  }

  #readRequest(at: number): void {
    const { memory } = this.#state;
    const lengths: number[] = [];
    let { end, value: count } = readNumber(memory, at);
    for (; count > 0; count--) {
      const number = readNumber(memory, end + 1);
      lengths.push(number.value);
      end = number.end;
    }
    const request = this.#request;
    request.clear();
    request.bytes = memory;
    request.base = end + 1;
    let start = 0;
    for (const length of lengths) request.add(start, start += length);
  }

  #reply(reply: Reply): number {
    if (typeof reply === "string" || reply instanceof Uint8Array) return this.#leave(STRING, reply);
    if (typeof reply === "number" && Math.abs(reply) < MAX_SHORT_INTEGER) {
      return reply * 8 + INTEGER;
    }
    if (typeof reply === "number" || typeof reply === "bigint") {
      return this.#leave(NUMBER, String(reply));
    }
    if (reply === OK) return IS_OK;
    if (reply instanceof SimpleString) return this.#leave(STATUS, reply.text);
    if (reply instanceof ErrorReply) return this.#leave(ERROR, reply.message);
    if (reply === null || typeof reply === "symbol") return this.#protocol === 2 ? NIL : ABSENT;
    const state = this.#state;
    state.pushLiteral(replyLiteral(reply, this.#protocol));
    if (state.call(0) !== undefined) throw this.#stopped("memory");
    state.popRegistry("reply");
    return STRING;
  }

  #leave(kind: number, value: Value): number {
    this.#state.push(value);
    this.#state.popRegistry("reply");
    return kind;
  }
}

/** Reads decimal digits; returns their value and the position after them. */
function readNumber(bytes: Uint8Array, at: number): { value: number; end: number } {
  let value = 0;
  for (let digit; (digit = bytes[at]! - 0x30) >= 0 && digit <= 9; at++) value = 10 * value + digit;
  return { value, end: at };
}
