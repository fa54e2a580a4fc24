/**
 * A state of Lua, and how strings and tables get in and out of it.
 *
 * @module
 */

import { latin1From, type Value } from "../../storage/value.ts";
import { copyValue } from "../../storage/value.ts";
import type { Literal } from "./literals.ts";
import { type Address, type LuaImports, type LuaModule, LuaWasm } from "./lua_wasm.ts";

const REGISTRY = -10000, GLOBALS = -10002;

/** Compiled Lua 5.1 up to the length of its only constant: a function that returns a string. */
const STRING_FUNCTION = Uint8Array.of(
  // The header: signature, version, format, byte order, and the sizes of the basic types.
  ...[0x1b, 0x4c, 0x75, 0x61, 0x51, 0, 1, 4, 4, 4, 8, 0],
  // No source; lines 0 to 0; no upvalues, no parameters, varargs, a stack of two values.
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2],
  // Three instructions: LOADK 0 0; RETURN 0 2; RETURN 0 1.
  ...[3, 0, 0, 0, 1, 0, 0, 0, 0x1e, 0, 0, 1, 0x1e, 0, 0x80, 0],
  // One constant, a string.
  ...[1, 0, 0, 0, 4],
);

/** After the constant: its NUL, no functions, and no debug information. */
const FUNCTION_END_BYTES = 1 + 4 * 4;

/** A state of Lua. Positive results of its functions that may fail are messages. */
export class LuaState {
  readonly #wasm: LuaWasm;
  readonly #state: Address;
  readonly #names = new Map<string, Address>();
  readonly #length: Address;
  readonly #tooLong: () => never;

  constructor(module: LuaModule, imports: LuaImports) {
    this.#tooLong = imports.outOfMemory;
    this.#wasm = new LuaWasm(module, imports);
    const { exports } = this.#wasm;
    this.#length = exports.malloc(4);
    this.#state = exports.newState();
    exports.openLibraries(this.#state);
  }

  /** The whole memory. */
  get memory(): Uint8Array {
    return this.#wasm.memory;
  }

  /** Sets how many turns of loops may pass before `refuel` is called. */
  set fuel(turns: number) {
    this.#wasm.fuel = turns;
  }

  /** Remembers the present state. */
  save(): void {
    this.#wasm.save();
  }

  /** Returns to the state that was saved, even after an exception. */
  restore(): void {
    this.#wasm.restore();
  }

  /** The name of a field, in memory that stays. Use it before {@linkcode LuaState.save}. */
  intern(name: string): void {
    const address = this.#wasm.exports.malloc(name.length + 1);
    this.#write(address, name);
    this.#names.set(name, address);
  }

  /** Empties the stack. */
  clear(): void {
    this.#wasm.exports.setTop(this.#state, 0);
  }

  /** Pushes a field of the registry whose name was interned. */
  pushRegistry(name: string): void {
    this.#wasm.exports.getField(this.#state, REGISTRY, this.#names.get(name)!);
  }

  /** Pops a value into a field of the registry whose name was interned. */
  popRegistry(name: string): void {
    this.#wasm.exports.setField(this.#state, REGISTRY, this.#names.get(name)!);
  }

  /** Pops a value into a field of the table below it. */
  popField(name: string): void {
    this.#wasm.exports.setField(this.#state, -2, this.#stage(name));
  }

  /** Pushes a string. */
  push(value: Value): void {
    const { exports, area, memory } = this.#wasm, state = this.#state;
    const at = area + STRING_FUNCTION.length + 4;
    const { length } = value;
    this.#reserve(STRING_FUNCTION.length + 4 + length + FUNCTION_END_BYTES);
    copyValue(value, memory, at);
    if (!hasNul(memory, at, at + length)) {
      memory[at + length] = 0;
      return exports.pushString(state, at);
    }
    // The C interface of this binary has no function for strings with NUL; compiled code has.
    memory.set(STRING_FUNCTION, area);
    new DataView(memory.buffer).setUint32(at - 4, length + 1, true);
    memory.fill(0, at + length, at + length + FUNCTION_END_BYTES);
    const bytes = at + length + FUNCTION_END_BYTES - area;
    if (exports.loadBuffer(state, area, bytes, area) !== 0 || exports.pcall(state, 0, 1, 0) !== 0) {
      this.#tooLong();
    }
  }

  /** Pushes a function: a compiled text. Returns a message instead if it does not compile. */
  load(source: string, name: string): string | undefined {
    const { exports, area } = this.#wasm;
    this.#reserve(name.length + 1 + source.length);
    this.#write(area, name);
    const at = area + name.length + 1;
    copyValue(source, this.memory, at);
    const status = exports.loadBuffer(this.#state, at, source.length, area);
    return status === 0 ? undefined : this.text();
  }

  /** Calls the function below its arguments; leaves a result. Returns a message if that fails. */
  call(args: number, results = 1): string | undefined {
    return this.#wasm.exports.pcall(this.#state, args, results, 0) === 0 ? undefined : this.text();
  }

  /** Pushes a function that returns the values of a literal. */
  pushLiteral({ text, attached }: Literal): void {
    const { exports } = this.#wasm;
    attached.forEach((value, index) => {
      this.push(value);
      exports.setField(this.#state, GLOBALS, this.#stage(`s${index}`));
    });
    const problem = this.load(`return ${text}`, "=literal");
    if (problem !== undefined) this.#tooLong();
  }

  /** Where the string on top of the stack starts in memory. It stays there while Lua refers to it. */
  top(): Address {
    return this.#wasm.exports.toString(this.#state, -1, this.#length);
  }

  /** The string on top of the stack. */
  text(): string {
    const start = this.top();
    return latin1From(this.memory, start, start + this.#wasm.word(this.#length));
  }

  /** Puts a short string with its NUL into the area. */
  #stage(text: string): Address {
    this.#write(this.#wasm.area, text);
    return this.#wasm.area;
  }

  #write(address: Address, text: string): void {
    copyValue(text, this.memory, address);
    this.memory[address + text.length] = 0;
  }

  #reserve(bytes: number): void {
    if (bytes > this.#wasm.areaBytes) this.#tooLong();
  }
}

function hasNul(bytes: Uint8Array, start: number, end: number): boolean {
  const at = bytes.indexOf(0, start);
  return at >= 0 && at < end;
}
