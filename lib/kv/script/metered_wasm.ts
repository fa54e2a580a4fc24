/**
 * Adds a meter to a WebAssembly module, so that nothing in it can run for long unnoticed.
 *
 * Each loop gets instructions that count down the exported global `fuel` and call one of the
 * module's own imports, a function without result, when it reaches zero. That import can add fuel or
 * throw. A count hook of Lua sees only Lua instructions; this counts the loops of its C functions
 * too, such as those of the pattern matcher, the parser and the garbage collector. Recursion needs
 * no meter: the stack bounds its depth, and every function of Lua that recurses more than once per
 * call does so in a loop.
 *
 * The format is that of the WebAssembly core specification, "Binary Format".
 *
 * @module
 */

import { Turn } from "../../turn.ts";

/** How {@linkcode meterWasm} changes a module. */
export interface MeterOptions {
  /** The index of the imported function to call, of type `(i32) -> ()`. */
  hook: number;
  /** The size of the memory in pages of 64 KiB. It cannot grow beyond. */
  memoryPages: number;
}

/** The name under which the module exports its remaining fuel. */
export const FUEL = "fuel";

const HEADER_BYTES = 8;
const MEMORY_SECTION = 5, GLOBAL_SECTION = 6, EXPORT_SECTION = 7, CODE_SECTION = 10;

const LOOP = 0x03, END = 0x0b, CALL = 0x10, GET_GLOBAL = 0x23, SET_GLOBAL = 0x24;
const CONST_I32 = 0x41, IS_ZERO_I32 = 0x45, SUBTRACT_I32 = 0x6b, IF = 0x04, NO_RESULT = 0x40;
const TYPE_I32 = 0x7f, MUTABLE = 1, KIND_GLOBAL = 3, HAS_MAXIMUM = 1;

/**
 * Returns the module with a meter in each loop and a memory of fixed size. The module must define
 * its memory and must not import globals. The work is done in turns.
 *
 * @throws {SyntaxError} If the module contains an instruction unknown here.
 */
export async function meterWasm(
  wasm: Uint8Array,
  options: MeterOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const turn = new Turn();
  const reader = new Reader(wasm, HEADER_BYTES);
  const output: Bytes[] = [wasm.subarray(0, HEADER_BYTES)];
  let fuel = 0;
  while (reader.at < wasm.length) {
    const id = wasm[reader.at++]!;
    const content = reader.sized();
    const inside = new Reader(content);
    let changed: Bytes[] = [content];
    if (id === MEMORY_SECTION) {
      changed = [[1, HAS_MAXIMUM, ...leb(options.memoryPages), ...leb(options.memoryPages)]];
    } else if (id === GLOBAL_SECTION) {
      fuel = inside.unsigned();
      changed = [leb(fuel + 1), inside.rest(), [TYPE_I32, MUTABLE, CONST_I32, 0, END]];
    } else if (id === EXPORT_SECTION) {
      const count = inside.unsigned();
      const name = [...new TextEncoder().encode(FUEL)];
      const added = [...leb(name.length), ...name, KIND_GLOBAL, ...leb(fuel)];
      changed = [leb(count + 1), inside.rest(), added];
    } else if (id === CODE_SECTION) {
      const count = inside.unsigned();
      const meter = meterInstructions(fuel, options.hook);
      changed = [leb(count)];
      for (let index = 0; index < count; index++) {
        changed.push(...withLength(meterBody(inside.sized(), meter)));
        if (turn.over) await turn.next();
      }
    }
    output.push([id], ...withLength(changed));
  }
  return join(output);
}

/** A part of a module. */
type Bytes = Uint8Array | readonly number[];

/** What each loop executes first. */
function meterInstructions(fuel: number, hook: number): number[] {
  const get = [GET_GLOBAL, ...leb(fuel)], set = [SET_GLOBAL, ...leb(fuel)];
  return [
    ...[...get, CONST_I32, 1, SUBTRACT_I32, ...set],
    ...[...get, IS_ZERO_I32, IF, NO_RESULT, CONST_I32, 0, CALL, ...leb(hook), END],
  ];
}

function meterBody(body: Uint8Array, meter: readonly number[]): Bytes[] {
  const reader = new Reader(body);
  for (let groups = reader.unsigned(); groups > 0; groups--) {
    reader.unsigned();
    reader.at++;
  }
  const parts: Bytes[] = [];
  let copied = 0;
  while (reader.at < body.length) {
    if (!reader.instruction()) continue;
    parts.push(body.subarray(copied, reader.at), meter);
    copied = reader.at;
  }
  parts.push(body.subarray(copied));
  return parts;
}

function lengthOf(parts: readonly Bytes[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function withLength(parts: readonly Bytes[]): Bytes[] {
  return [leb(lengthOf(parts)), ...parts];
}

function join(parts: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A number in unsigned LEB128. */
function leb(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push(value & 0x7f | 0x80);
  bytes.push(value);
  return bytes;
}

class Reader {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** Reads a length and that many bytes. */
  sized(): Uint8Array {
    const length = this.unsigned();
    return this.#bytes.subarray(this.at, this.at += length);
  }

  /** The bytes from here on. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.at);
  }

  /** Reads an unsigned number of up to 32 bits. */
  unsigned(): number {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = this.#bytes[this.at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  /** Reads an instruction; returns whether it starts a loop. */
  instruction(): boolean {
    const opcode = this.#bytes[this.at++]!;
    if (opcode >= 0x28 && opcode <= 0x3e) this.#skipNumbers(2); // loads and stores
    else if (opcode >= 0x45 && opcode <= 0xc4) return false; // arithmetic
    else if (opcode >= 0x20 && opcode <= 0x24) this.#skipNumbers(1); // variables
    else {
      switch (opcode) {
        case 0x00: // unreachable
        case 0x01: // nop
        case 0x05: // else
        case END:
        case 0x0f: // return
        case 0x1a: // drop
        case 0x1b: // select
          break;
        case 0x02: // block
        case LOOP:
        case IF:
        case 0x0c: // br
        case 0x0d: // br_if
        case CALL:
        case 0x3f: // memory.size
        case 0x40: // memory.grow
        case CONST_I32:
        case 0x42: // i64.const
          this.#skipNumbers(1);
          break;
        case 0x11: // call_indirect
          this.#skipNumbers(2);
          break;
        case 0x0e: // br_table
          this.#skipNumbers(this.unsigned() + 1);
          break;
        case 0x43: // f32.const
          this.at += 4;
          break;
        case 0x44: // f64.const
          this.at += 8;
          break;
        default:
          throw new SyntaxError(`Cannot meter the instruction 0x${opcode.toString(16)}`);
      }
    }
    return opcode === LOOP;
  }

  /** Skips numbers in LEB128, signed or not. */
  #skipNumbers(count: number): void {
    for (; count > 0; count--) while (this.#bytes[this.at++]! >= 0x80);
  }
}
