/**
 * The table of all commands. Lookup works on the bytes of a name.
 *
 * @module
 */

import type { Request } from "../resp/request.ts";
import type { Catalogue, CatalogueEntry } from "./catalogue.ts";
import type { ByteForm, Command } from "./command.ts";

/** The number of hash slots: a power of two, several times the number of commands. */
const SLOTS = 1024;

/** A command in the table. */
export interface TableEntry extends CatalogueEntry {
  readonly command: Command;
  /** See {@linkcode Store.transact}. */
  readonly readOnly: boolean;
  /** The fastest way to run it, if it has one. */
  readonly bytes: ByteForm | undefined;
  readonly subcommands: ReadonlyMap<string, TableEntry>;
}

/** The catalogue of commands that can be run. */
export class CommandTable implements Catalogue {
  readonly all: TableEntry[] = [];
  readonly #byName = new Map<string, TableEntry>();
  /** Entries by the hash of their names, so that a lookup need not decode the name. */
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
    const { action } = command;
    const bytes = action.kind === "keys" ? action.bytes : undefined;
    const entry = { command, fullName, index: this.all.length, readOnly, bytes, subcommands };
    this.all.push(entry);
    for (const subcommand of command.subcommands ?? []) {
      subcommands.set(subcommand.name, this.#add(subcommand, `${fullName}|${subcommand.name}`));
    }
    return entry;
  }

  get commands(): Iterable<TableEntry> {
    return this.#byName.values();
  }

  get size(): number {
    return this.#byName.size;
  }

  get(fullName: string): TableEntry | undefined {
    const bar = fullName.indexOf("|");
    if (bar < 0) return this.#byName.get(fullName);
    return this.#byName.get(fullName.slice(0, bar))?.subcommands.get(fullName.slice(bar + 1));
  }

  /** The command that a request names; subcommands are not resolved. */
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

/** Adds a character to a hash that ignores the case of letters. */
function step(hash: number, code: number): number {
  return Math.imul(hash, 31) + (code | 0x20) | 0;
}

/** Whether bytes spell a name, ignoring the case of ASCII letters. */
function isName(name: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let at = 0; at < name.length; at++) {
    const byte = bytes[start + at]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== name.charCodeAt(at)) return false;
  }
  return true;
}
