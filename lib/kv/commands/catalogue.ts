/**
 * The catalogue of commands: the data about each that COMMAND returns.
 *
 * @module
 */

/** Which arguments are keys; see `COMMAND INFO`. */
export interface KeyPositions {
  first: number;
  /** The last one; negative numbers count from the end. */
  last: number;
  step: number;
}

/** Positions of the keys: the first argument, the first two, all, or every second one. */
export const ONE_KEY: KeyPositions = { first: 1, last: 1, step: 1 };
export const TWO_KEYS: KeyPositions = { first: 1, last: 2, step: 1 };
export const ALL_KEYS: KeyPositions = { first: 1, last: -1, step: 1 };
export const EVERY_SECOND_KEY: KeyPositions = { first: 1, last: -1, step: 2 };

/** The data about one command or subcommand. */
export interface CommandInfo {
  /** In lower case. */
  readonly name: string;
  /** The number of arguments including the name; a negative number is a minimum. */
  readonly arity: number;
  readonly flags: readonly string[];
  readonly keys?: KeyPositions;
  readonly group:
    | "string"
    | "bitmap"
    | "generic"
    | "transactions"
    | "pubsub"
    | "connection"
    | "scripting"
    | "server";
  readonly summary: string;
  /** The version of Redis that introduced it. */
  readonly since: string;
}

/** A command's place in the catalogue. */
export interface CatalogueEntry {
  readonly command: CommandInfo;
  /** The name that COMMAND and INFO show: "get", or "client|list" for a subcommand. */
  readonly fullName: string;
  /** The entry's position in {@linkcode Catalogue.all}. */
  readonly index: number;
  readonly subcommands: ReadonlyMap<string, CatalogueEntry>;
}

/** All commands of the Redis protocol. */
export interface Catalogue {
  /** All commands and subcommands. */
  readonly all: readonly CatalogueEntry[];
  /** All commands, without subcommands. */
  readonly commands: Iterable<CatalogueEntry>;
  /** The number of commands, without subcommands. */
  readonly size: number;
  /** The entry for a full name in lower case, such as "get" or "client|list". */
  get(fullName: string): CatalogueEntry | undefined;
}
