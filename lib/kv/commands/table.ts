/**
 * The table of all commands, found by the bytes of their names.
 *
 * @module
 */

import type { Request } from "../resp/request.ts";
import type { Command } from "./command.ts";

/** How many slots the table has; a power of two, several times the number of commands. */
const SLOTS = 1024;

/** A command in the table. */
export interface TableEntry {
  readonly command: Command;
  /** As COMMAND and the statistics have it: a subcommand with its command's name before it. */
  readonly fullName: string;
  /** A number of its own, counted from zero. */
  readonly index: number;
  /** See {@linkcode Store.transact}. */
  readonly readOnly: boolean;
  readonly subcommands: ReadonlyMap<string, TableEntry>;
}

/** Commands by name. */
export class CommandTable {
  /** All commands and subcommands, by {@linkcode TableEntry.index}. */
  readonly all: TableEntry[] = [];
  readonly #byName = new Map<string, TableEntry>();
  /** Entries by a hash of their names, so that a name is looked up without decoding it. */
  readonly #slots: TableEntry[][] = Array.from({ length: SLOTS }, () => []);

  constructor(commands: readonly Command[]) {
    for (const command of commands) {
      const entry = this.#add(command, command.name);
      this.#byName.set(command.name, entry);
      let hash = 0;
      for (let at = 0; at < command.name.length; at++) {
        hash = step(hash, command.name.charCodeAt(at));
      }
      this.#slots[hash & (SLOTS - 1)]!.push(entry);
    }
  }

  #add(command: Command, fullName: string): TableEntry {
    const subcommands = new Map<string, TableEntry>();
    const readOnly = command.flags.includes("readonly");
    const entry = { command, fullName, index: this.all.length, readOnly, subcommands };
    this.all.push(entry);
    for (const subcommand of command.subcommands ?? []) {
      subcommands.set(subcommand.name, this.#add(subcommand, `${fullName}|${subcommand.name}`));
    }
    return entry;
  }

  /** All commands, without subcommands. */
  get commands(): Iterable<TableEntry> {
    return this.#byName.values();
  }

  /** How many commands there are, without subcommands. */
  get size(): number {
    return this.#byName.size;
  }

  /** The entry of a name such as "get" or "client|list", in lower case. */
  get(name: string): TableEntry | undefined {
    const bar = name.indexOf("|");
    if (bar < 0) return this.#byName.get(name);
    return this.#byName.get(name.slice(0, bar))?.subcommands.get(name.slice(bar + 1));
  }

  /** The command that a request names, subcommands aside. */
  find(request: Request): TableEntry | undefined {
    const { bytes } = request;
    const start = request.start(0), end = request.end(0);
    let hash = 0;
    for (let at = start; at < end; at++) hash = step(hash, bytes[at]!);
    const slot = this.#slots[hash & (SLOTS - 1)]!;
    for (const entry of slot) if (isName(entry.command.name, bytes, start, end)) return entry;
    return undefined;
  }
}

/** The case of letters makes no difference to it. */
function step(hash: number, code: number): number {
  return Math.imul(hash, 31) + (code | 0x20) | 0;
}

/** Whether bytes are a name in any case. Names are letters alone, so the bit of the case decides. */
function isName(name: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let at = 0; at < name.length; at++) {
    const byte = bytes[start + at]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== name.charCodeAt(at)) return false;
  }
  return true;
}
