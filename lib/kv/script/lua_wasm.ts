/**
 * Lua 5.1.5 as WebAssembly: the instance, its memory, and the functions of its C interface.
 *
 * The binary comes from the npm package `lua-wasm-bindings`, without that package's JavaScript,
 * which loads files and offers scripts the file system. Its exports and imports have short names,
 * which belong to the exact version in deno.json.
 *
 * @module
 */

import lua from "lua-wasm-bindings/dist/glue/glue-lua-5.1.5.wasm" with { type: "bytes" };
import { FUEL, meterWasm } from "./metered_wasm.ts";

/** An address in the memory of the instance; 0 is NULL. */
export type Address = number;

/** The functions of the instance. Their documentation is the manual of Lua 5.1, section 3. */
export interface LuaExports {
  setTop(state: Address, index: number): void;
  toString(state: Address, index: number, length: Address): Address;
  pushString(state: Address, text: Address): void;
  getField(state: Address, index: number, name: Address): void;
  setField(state: Address, index: number, name: Address): void;
  pcall(state: Address, args: number, results: number, handler: number): number;
  loadBuffer(state: Address, text: Address, length: number, name: Address): number;
  newState(): Address;
  openLibraries(state: Address): void;
  malloc(bytes: number): Address;
}

/** What the instance calls. Each function may throw; then reset the instance before its next use. */
export interface LuaImports {
  /** The fuel is used up. Sets {@linkcode LuaWasm.fuel}, or throws. */
  refuel(): void;
  /** There is no more memory. */
  outOfMemory(): never;
  /** A call of `os.execute` with a string; the result is that of `os.execute`. */
  execute(text: Address): number;
}

/** The names of exports in the binary. */
const EXPORTS = {
  memory: "F",
  initialize: "G",
  setTop: "I",
  toString: "Q",
  pushString: "R",
  getField: "T",
  setField: "V",
  pcall: "X",
  loadBuffer: "Z",
  newState: "$",
  openLibraries: "ga",
  stackSave: "la",
  stackRestore: "ma",
  setThrew: "oa",
  malloc: "pa",
  table: "qa",
} as const;

/** The names of imports in the binary. All others belong to files and the clock. */
const IMPORTS = {
  /** The loops call it, in place of exit(3), which nothing else needs. */
  exit: "j",
  invoke: "l",
  longjmp: "g",
  copy: "E",
  resizeHeap: "n",
  execute: "s",
  getTempRet: "e",
  setTempRet: "b",
} as const;

/** The memory below the heap: constants, variables and the stack of C. */
const STATIC_BYTES = 5_263_392;

/** The stack of C lies at the end of the static memory. */
const STACK_BYTES = 5 * 1024 * 1024;

/** For work that must not be interrupted. */
const MAX_FUEL = 0x7fffffff;

const PAGE_BYTES = 64 * 1024;

type Wasm = Record<string, (...args: number[]) => number>;

/** Thrown through the frames between longjmp and setjmp. */
const LONGJMP = Symbol("longjmp");

/** Lua compiled for instances with a certain amount of memory. */
export interface LuaModule {
  readonly module: WebAssembly.Module;
  /** The memory for the state of Lua and everything that scripts create. */
  readonly heapBytes: number;
}

/**
 * Compiles Lua. V8 compiles on other threads, and this thread does its part in turns, so that no
 * client waits for another one's first script.
 *
 * @param heapBytes See {@linkcode LuaModule}.
 */
export async function compileLua(heapBytes: number): Promise<LuaModule> {
  const imports = WebAssembly.Module.imports(await WebAssembly.compile(lua));
  const metered = await meterWasm(lua, {
    hook: imports.findIndex(({ name }) => name === IMPORTS.exit),
    // No string can be longer than the heap, so the area for strings has the same size.
    memoryPages: Math.ceil((STATIC_BYTES + 2 * heapBytes) / PAGE_BYTES),
  });
  return { module: await WebAssembly.compile(metered), heapBytes };
}

/** An instance of Lua. It can return to the state in which {@linkcode LuaWasm.save} saw it. */
export class LuaWasm {
  readonly exports: LuaExports;
  /** The whole memory. It never moves or grows. */
  readonly memory: Uint8Array<ArrayBuffer>;
  /** An area for strings on their way in, of {@linkcode LuaWasm.areaBytes}. */
  readonly area: Address;
  readonly areaBytes: number;
  readonly #view: DataView;
  readonly #wasm: Wasm;
  readonly #fuel: WebAssembly.Global;
  readonly #stackTop: Address;
  readonly #functions: ((...args: number[]) => number)[] = [];
  #saved: { low: Uint8Array; heap: Uint8Array } | undefined;

  /** The area for strings is as large as the heap, but costs nothing until it is used. */
  constructor({ module, heapBytes }: LuaModule, imports: LuaImports) {
    this.areaBytes = heapBytes;
    const wasm = new WebAssembly.Instance(module, { a: this.#importsOf(module, imports) }).exports;
    this.#wasm = wasm as Wasm;
    this.#fuel = wasm[FUEL] as WebAssembly.Global;
    this.memory = new Uint8Array((wasm[EXPORTS.memory] as WebAssembly.Memory).buffer) as Uint8Array<
      ArrayBuffer
    >;
    this.#view = new DataView(this.memory.buffer);
    const names = Object.entries(EXPORTS);
    this.exports = Object.fromEntries(
      names.map(([name, short]) => [name, wasm[short]]),
    ) as unknown as LuaExports;
    this.fuel = MAX_FUEL;
    this.#wasm[EXPORTS.initialize]!();
    this.#stackTop = this.#wasm[EXPORTS.stackSave]!();
    if (this.#stackTop !== STATIC_BYTES) throw new Error("Cannot use this binary of Lua");
    this.area = this.exports.malloc(this.areaBytes);
  }

  /** Reads a 32-bit number. */
  word(address: Address): number {
    return this.#view.getUint32(address, true);
  }

  /** Remembers the present state. Nothing may be running. */
  save(): void {
    const { memory } = this;
    const start = this.area + this.areaBytes;
    let end = start;
    while (memory.subarray(end, end + PAGE_BYTES).some((byte) => byte !== 0)) end += PAGE_BYTES;
    // To malloc, the memory beyond is garbage, whatever it holds. So is the stack.
    this.#saved = {
      low: memory.slice(0, STATIC_BYTES - STACK_BYTES),
      heap: memory.slice(start, end),
    };
  }

  /** Returns to the state that was saved, even if a function was left by an exception. */
  restore(): void {
    const { low, heap } = this.#saved!;
    this.memory.set(low);
    this.memory.set(heap, this.area + this.areaBytes);
    this.#wasm[EXPORTS.stackRestore]!(this.#stackTop);
  }

  /** Sets how many turns of loops may pass before the next call of `refuel`. */
  set fuel(turns: number) {
    this.#fuel.value = turns;
  }

  #importsOf(module: WebAssembly.Module, imports: LuaImports): WebAssembly.ModuleImports {
    let tempRet = 0;
    const functions: Record<string, (...args: number[]) => number | void> = {
      [IMPORTS.exit]: () => imports.refuel(),
      [IMPORTS.invoke]: (index, a, b) => this.#invoke(index!, a!, b!),
      [IMPORTS.longjmp]: (environment, value) => {
        this.#wasm[EXPORTS.setThrew]!(environment!, value || 1);
        throw LONGJMP;
      },
      [IMPORTS.copy]: (to, from, length) => {
        this.memory.copyWithin(to!, from!, from! + length!);
      },
      [IMPORTS.resizeHeap]: () => imports.outOfMemory(),
      [IMPORTS.execute]: (text) => text === 0 ? 0 : imports.execute(text!),
      [IMPORTS.getTempRet]: () => tempRet,
      [IMPORTS.setTempRet]: (value) => {
        tempRet = value!;
      },
    };
    const names = WebAssembly.Module.imports(module).map(({ name }) => name);
    // The others are out of reach of scripts; they fail as system calls do.
    return Object.fromEntries(names.map((name) => [name, functions[name] ?? (() => -1)]));
  }

  /** Calls a function in which longjmp may be called; setjmp of the binary works this way. */
  #invoke(index: number, a: number, b: number): void {
    const stack = this.#wasm[EXPORTS.stackSave]!();
    try {
      this.#functionAt(index)(a, b);
    } catch (error) {
      if (error !== LONGJMP) throw error;
      this.#wasm[EXPORTS.stackRestore]!(stack);
      this.#wasm[EXPORTS.setThrew]!(1, 0);
    }
  }

  /** A function of the table. The table never changes, and looking into it takes a while. */
  #functionAt(index: number): (...args: number[]) => number {
    const table = this.#wasm[EXPORTS.table] as unknown as WebAssembly.Table;
    return this.#functions[index] ??= table.get(index) as (...args: number[]) => number;
  }
}
