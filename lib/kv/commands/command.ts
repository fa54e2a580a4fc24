/**
 * A command: the data about it, and its action.
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
import type { Turn } from "../../turn.ts";
import type { ByteStore } from "../../storage/byte_store.ts";
import type { Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { ReplyWriter } from "../resp/writer.ts";
import type { CommandInfo } from "./catalogue.ts";
import type { ClientState, CommandContext } from "./context.ts";

/** Work on keys that are known before it starts. */
export interface KeyWork {
  readonly places: readonly Place[];
  /** See {@linkcode Store.transact}. */
  readonly blind?: boolean;
  readonly readOnly?: boolean;
  /** Whether it may throw {@linkcode UndeclaredKeyError} or {@linkcode WholeDatabaseError}. */
  readonly grows?: boolean;
  /** Forgets what it knows of whole databases: a new transaction over whole spaces begins. */
  restart?(): void;
  run(transaction: Transaction): Reply;
  /** Called when the changes of the last run are durable. */
  committed?(): void;
  /**
   * If the values are so long that {@linkcode KeyWork.run} would hold the thread, reads them and
   * returns the computation; otherwise `undefined`. Inside EXEC and scripts, the work runs in one go.
   */
  inSteps?(transaction: Transaction): LongWork | undefined;
}

/**
 * A computation on values that were read before.
 *
 * @param turn To be asked often whether the turn is over.
 * @returns What to do with the result in a transaction that sees the same values.
 */
export type LongWork = (turn: Turn) => Promise<(transaction: Transaction) => Reply>;

/** Supplies pages of keys: a store, or a transaction over whole spaces. */
export interface PageSource {
  scan(space: number, range: ScanRange): MaybePromise<[Key, Entry][]>;
}

/**
 * Runs a command on ranges of bytes and appends its reply to the writer.
 *
 * @returns `false` if this form of the command has to be run otherwise, which includes all errors in
 * its arguments. Nothing has been changed or written then.
 * @throws {OutOfMemoryError}
 * @throws {StorageUnavailableError}
 */
export type ByteForm = (
  request: Request,
  context: CommandContext,
  store: ByteStore,
  writer: ReplyWriter,
) => boolean;

/** How to run a request with so many keys that one transaction would hold the thread too long. */
export type ManyKeys =
  | {
    /**
     * Each part of the keys is a transaction of its own. The reply is the sum of the parts' counts,
     * or an array of all their items.
     */
    how: "sum" | "items";
  }
  | {
    /** All keys are one transaction, which excludes all other work and takes turns. */
    how: "whole";
    /** As the action's own. */
    prepare(
      request: Request,
      context: CommandContext,
    ): (transaction: SpaceTransaction) => Promise<Reply>;
  };

/** What a command does. The kinds differ in what a command needs. */
export type Action =
  | {
    /** Works on the keys that its arguments name. */
    kind: "keys";
    /**
     * Parses the arguments.
     *
     * @throws {ErrorReply} If they are invalid.
     */
    prepare(request: Request, context: CommandContext): KeyWork;
    /** How to run it on very many keys. */
    many?: ManyKeys;
    /** Waits for all earlier commands, and all later ones wait for it: for work in steps. */
    alone?: boolean;
    /** The fastest path, for stores that can work on bytes. */
    bytes?: ByteForm;
    /** A fast path for other stores; returns `undefined` where it does not apply. */
    direct?(
      request: Request,
      context: CommandContext,
      store: Store,
    ): MaybePromise<Reply> | undefined;
  }
  | {
    /** Works on whole databases, and excludes all other work meanwhile. */
    kind: "spaces";
    /**
     * Parses the arguments.
     *
     * @throws {ErrorReply} If they are invalid.
     */
    prepare(
      request: Request,
      context: CommandContext,
    ): (transaction: SpaceTransaction) => Promise<Reply>;
  }
  | {
    /** Reads keys in order, a page at a time. */
    kind: "pages";
    /**
     * Parses the arguments.
     *
     * @throws {ErrorReply} If they are invalid.
     */
    prepare(request: Request, context: CommandContext): (source: PageSource) => Promise<Reply>;
  }
  | {
    /** Works on the connection or the server, not on keys. */
    kind: "session";
    run(request: Request, client: ClientState): MaybePromise<Reply>;
    /** Waits for all earlier commands, and all later ones wait for it. */
    alone?: boolean;
    /**
     * The database that the command selects, if it selects one. EXEC asks before it runs the
     * command, because the commands queued after it work on that database.
     *
     * @throws {ErrorReply} If there is no such database.
     */
    selects?(request: Request): number;
    /** The reply to a script, which has no connection; without this, scripts may not call it. */
    inScript?(request: Request, script: ScriptEffects): Reply;
  }
  | {
    /** Controls the connection itself, so it runs immediately even inside MULTI. */
    kind: "control";
    run(request: Request, client: ClientState): MaybePromise<Reply>;
    /** Waits for all earlier commands, and all later ones wait for it. */
    alone?: boolean;
  };

/** What a command about the connection or the server can do when a script calls it. */
export interface ScriptEffects {
  readonly context: CommandContext;
  /** Calls a function once the changes of the script are durable. If they fail, it is not called. */
  afterCommit(effect: () => void): void;
}

/** A command or subcommand. */
export interface Command extends CommandInfo {
  readonly action: Action;
  /**
   * Returns what to await before the command runs or is queued, if anything. A client that waits
   * does not hold up others. It never rejects: after a failure, the action fails.
   */
  ready?(): Promise<void> | undefined;
  /** If there are any, they replace the command's own action. */
  readonly subcommands?: readonly Command[];
}

/** Returns a function that makes subcommands of kind "session" with these properties in common. */
export function subcommandsOf(common: Pick<Command, "flags" | "group" | "since">) {
  return (
    name: string,
    arity: number,
    summary: string,
    run: (request: Request, client: ClientState) => MaybePromise<Reply>,
  ): Command => ({ name, arity, summary, ...common, action: { kind: "session", run } });
}
