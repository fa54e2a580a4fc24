/**
 * What a Redis client's connection is in: its database, its transaction, its name.
 *
 * @module
 */

import type { Login } from "../../net/login.ts";
import type { MaybePromise, Store } from "../../storage/store.ts";
import {
  NOT_AUTHENTICATED,
  unknownCommand,
  unknownSubcommand,
  wrongArity,
} from "../commands/errors.ts";
import type { CommandContext } from "../commands/command.ts";
import type { TableEntry } from "../commands/table.ts";
import type { CursorTable } from "../commands/cursors.ts";
import { asReply } from "../failures.ts";
import { CommandError, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { KvShared } from "../shared.ts";
import { ClientTransaction } from "./transaction.ts";

/** What the connection can tell about itself and do to itself. */
export interface SessionPeer {
  readonly id: number;
  readonly remote: string;
  /** Bytes that have arrived and are not done with. */
  readonly unreadBytes: number;
  /** Closes it at once. */
  close(): void;
}

/** Which replies are sent. */
export type ReplyMode = "on" | "off" | "skip";

/** The state of one client. */
export class Session implements CommandContext {
  readonly shared: KvShared;
  readonly peer: SessionPeer;
  readonly transaction: ClientTransaction;
  /** Where it shows a token; `undefined` if nobody asks for one. */
  readonly login: Login | undefined;
  readonly connectedMs = Date.now();
  db = 0;
  /** Whether it may do anything: it has shown a token, or none is asked for. */
  authenticated: boolean;
  /** The version of the protocol. */
  protocol: 2 | 3 = 2;
  name = "";
  libName = "";
  libVersion = "";
  replyMode: ReplyMode = "on";
  /** Whether the connection ends after the reply. */
  closing = false;
  lastActiveMs = Date.now();
  lastCommand = "NULL";

  constructor(shared: KvShared, peer: SessionPeer, login?: Login) {
    this.login = login;
    this.authenticated = !(login?.pending ?? false);
    this.shared = shared;
    this.peer = peer;
    this.transaction = new ClientTransaction(shared.limits);
  }

  get store(): Store {
    return this.shared.store;
  }

  get cursors(): CursorTable {
    return this.shared.cursors;
  }

  get maxValueBytes(): number {
    return this.shared.limits.maxValueBytes;
  }

  /** The command that a request is for, or what is wrong with it. */
  resolve(request: Request): TableEntry | CommandError {
    let entry = this.#lookUp(request);
    if (!this.authenticated && !(entry instanceof CommandError) && !mayGoFirst(entry)) {
      entry = NOT_AUTHENTICATED;
    }
    if (entry instanceof CommandError) {
      this.transaction.spoil();
      this.shared.counts.rejected++;
    }
    return entry;
  }

  #lookUp(request: Request): TableEntry | CommandError {
    let entry = this.shared.table.find(request);
    if (entry === undefined) {
      return unknownCommand(request.text(0, 128), argumentsOf(request));
    }
    const { command, subcommands } = entry;
    if (command.subcommands !== undefined) {
      if (request.count > 1) {
        entry = subcommands.get(request.option(1).toLowerCase());
        if (entry === undefined) return unknownSubcommand(command.name, request.text(1, 128));
      } else if (command.arity < -1) {
        return wrongArity(command.name);
      }
    }
    const { arity } = entry.command;
    if (arity > 0 ? request.count !== arity : request.count < -arity) {
      return wrongArity(entry.fullName);
    }
    return entry;
  }

  /** Whether a command has to wait for those before it, and those behind it for its reply. */
  isAlone({ command }: TableEntry): boolean {
    const { action } = command;
    if (this.transaction.open) {
      return action.kind === "control" &&
        (action.alone === true || this.transaction.alone);
    }
    if (action.kind === "keys") return false;
    return action.kind === "spaces" || action.kind === "pages" || action.alone === true;
  }

  /** Does what a request asks for. */
  run(entry: TableEntry, request: Request): MaybePromise<Reply> {
    const { action } = entry.command;
    if (this.transaction.open && action.kind !== "control") {
      return this.transaction.add(entry, request);
    }
    this.shared.counts.calls[entry.index]!++;
    try {
      switch (action.kind) {
        case "keys": {
          const direct = action.direct?.(request, this, this.store);
          if (direct !== undefined) return direct;
          const work = action.prepare(request, this);
          return this.store.transact(
            work.places,
            (tx) => work.run(tx),
            entry.readOnly ? entry : work,
          );
        }
        case "spaces":
          return this.store.transactSpaces(action.prepare(request, this), entry);
        case "pages":
          return action.prepare(request, this)(this.store);
        default:
          this.lastCommand = entry.fullName;
          return action.run(request, this);
      }
    } catch (error) {
      return asReply(error);
    }
  }
}

/** Whether a command is done for clients that have yet to show a token. */
function mayGoFirst({ command }: TableEntry): boolean {
  return command.flags.includes("no_auth");
}

function* argumentsOf(request: Request): Iterable<string> {
  for (let index = 1; index < request.count; index++) {
    // Only the first characters are shown, so nobody pays for a long argument.
    yield request.text(index, 128);
  }
}
