/**
 * What a command is: data about it, which COMMAND hands out, and what it does.
 *
 * @module
 */

import type {
  Entry,
  Key,
  MaybePromise,
  Place,
  ScanRange,
  SpaceTransaction,
  Store,
  Transaction,
} from "../../storage/store.ts";
import type { CursorTable } from "./cursors.ts";
import type { Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { Session } from "../session/session.ts";

/** What a command may know besides its arguments. */
export interface CommandContext {
  /** The number of the database that was selected. */
  readonly db: number;
  /** The longest value there may be. */
  readonly maxValueBytes: number;
  /** Where scans have come to. */
  readonly cursors: CursorTable;
}

/** Work on keys that are known before it begins. */
export interface KeyWork {
  readonly places: readonly Place[];
  /** See {@linkcode Store.transact}. */
  readonly blind?: boolean;
  run(transaction: Transaction): Reply;
}

/** Where pages of keys come from: a store, or a transaction over whole spaces. */
export interface PageSource {
  scan(space: number, range: ScanRange): MaybePromise<[Key, Entry][]>;
}

/** What a command does, by what it needs. */
export type Action =
  | {
    /** Works on keys that its arguments name. */
    kind: "keys";
    /**
     * Reads the arguments.
     *
     * @throws {CommandError} If they are wrong.
     */
    prepare(request: Request, context: CommandContext): KeyWork;
    /** A short cut for what is asked most; `undefined` where it does not apply. */
    direct?(
      request: Request,
      context: CommandContext,
      store: Store,
    ): MaybePromise<Reply> | undefined;
  }
  | {
    /** Works on whole databases, and excludes everybody else meanwhile. */
    kind: "spaces";
    prepare(
      request: Request,
      context: CommandContext,
    ): (transaction: SpaceTransaction) => Promise<Reply>;
  }
  | {
    /** Reads keys in order, a page at a time. */
    kind: "pages";
    prepare(request: Request, context: CommandContext): (source: PageSource) => Promise<Reply>;
  }
  | {
    /** Is about the connection or the server, not about keys. */
    kind: "session";
    run(request: Request, session: Session): MaybePromise<Reply>;
    /** Waits for all commands before it, and those after it wait for it. */
    alone?: boolean;
  }
  | {
    /** Steers the connection itself, so it is done at once even inside of MULTI. */
    kind: "control";
    run(request: Request, session: Session): MaybePromise<Reply>;
    alone?: boolean;
  };

/** Which arguments are keys; see `COMMAND INFO`. */
export interface KeyPositions {
  first: number;
  /** The last one; negative numbers count from the end. */
  last: number;
  step: number;
}

/** A command or subcommand. */
export interface Command {
  /** In lower case. */
  readonly name: string;
  /** The number of arguments with the name; negative for at least so many. */
  readonly arity: number;
  readonly flags: readonly string[];
  readonly keys?: KeyPositions;
  readonly group: "string" | "generic" | "transactions" | "connection" | "server";
  readonly summary: string;
  readonly since: string;
  readonly action: Action;
  /** With these, the action is not used. */
  readonly subcommands?: readonly Command[];
}

/** Positions of the keys: the first argument, the first two, all, or every second one. */
export const ONE_KEY: KeyPositions = { first: 1, last: 1, step: 1 };
export const TWO_KEYS: KeyPositions = { first: 1, last: 2, step: 1 };
export const ALL_KEYS: KeyPositions = { first: 1, last: -1, step: 1 };
export const EVERY_SECOND_KEY: KeyPositions = { first: 1, last: -1, step: 2 };

/** Makes subcommands that are about the connection or the server, of what they have in common. */
export function subcommandsOf(common: Pick<Command, "flags" | "group" | "since">) {
  return (
    name: string,
    arity: number,
    summary: string,
    run: (request: Request, session: Session) => Reply,
  ): Command => ({ name, arity, summary, ...common, action: { kind: "session", run } });
}
