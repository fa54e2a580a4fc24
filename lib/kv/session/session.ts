/**
 * The session of one Redis client: which command a request names, and running it.
 *
 * @module
 */

import type { Login } from "../../net/login.ts";
import type { MaybePromise } from "../../storage/store.ts";
import type { ClientPeer, ClientState, ReplyMode, ServerState } from "../commands/context.ts";
import type { CursorTable } from "../commands/cursors.ts";
import {
  asReply,
  NOT_AUTHENTICATED,
  unknownCommand,
  unknownSubcommand,
  wrongArity,
} from "../commands/errors.ts";
import type { CommandTable, TableEntry } from "../commands/table.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { runLongWork } from "./long_work.ts";
import { ClientTransaction } from "./transaction.ts";

/** What sessions need of the server: commands that can be run, not only described. */
export interface SessionServer extends ServerState {
  readonly commands: CommandTable;
}

/** The state of one client. */
export class Session implements ClientState {
  readonly server: SessionServer;
  readonly peer: ClientPeer;
  readonly transaction: ClientTransaction;
  readonly login: Login | undefined;
  readonly connectedMs = Date.now();
  db = 0;
  authenticated: boolean;
  protocol: 2 | 3 = 2;
  name = "";
  libName = "";
  libVersion = "";
  replyMode: ReplyMode = "on";
  closing = false;
  lastActiveMs = Date.now();
  lastCommand = "NULL";

  constructor(server: SessionServer, peer: ClientPeer, login?: Login) {
    this.login = login;
    this.authenticated = !(login?.pending ?? false);
    this.server = server;
    this.peer = peer;
    this.transaction = new ClientTransaction(server.limits);
  }

  get cursors(): CursorTable {
    return this.server.cursors;
  }

  get maxValueBytes(): number {
    return this.server.limits.maxValueBytes;
  }

  /** The command that a request names, or the error to reply with. */
  resolve(request: Request): TableEntry | ErrorReply {
    let entry = this.#lookUp(request);
    if (!this.authenticated && !(entry instanceof ErrorReply) && !needsNoLogin(entry)) {
      entry = NOT_AUTHENTICATED;
    }
    if (entry instanceof ErrorReply) {
      this.transaction.spoil();
      this.server.metrics.rejected++;
    }
    return entry;
  }

  #lookUp(request: Request): TableEntry | ErrorReply {
    let entry = this.server.commands.find(request);
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

  /** Whether a command must run alone: after all earlier replies, and before any later command. */
  isAlone({ command }: TableEntry): boolean {
    const { action } = command;
    if (this.transaction.open) {
      return action.kind === "control" &&
        (action.alone === true || this.transaction.alone);
    }
    return action.kind === "spaces" || action.kind === "pages" || action.alone === true;
  }

  /** Runs a command, or queues it inside MULTI. */
  run(entry: TableEntry, request: Request): MaybePromise<Reply> {
    const { action } = entry.command;
    if (this.transaction.open && action.kind !== "control") {
      return this.transaction.add(entry, request);
    }
    const { store, metrics } = this.server;
    metrics.calls[entry.index]!++;
    try {
      switch (action.kind) {
        case "keys": {
          const direct = action.direct?.(request, this, store);
          if (direct !== undefined) return direct;
          const work = action.prepare(request, this);
          const options = entry.readOnly ? entry : work;
          if (work.inSteps !== undefined) return runLongWork(store, work, options);
          return store.transact(work.places, (tx) => work.run(tx), options);
        }
        case "spaces":
          return store.transactSpaces(action.prepare(request, this), entry);
        case "pages":
          return action.prepare(request, this)(store);
        default:
          this.lastCommand = entry.fullName;
          return action.run(request, this);
      }
    } catch (error) {
      return asReply(error);
    }
  }
}

/** Whether clients may run a command before they have shown a token. */
function needsNoLogin({ command }: TableEntry): boolean {
  return command.flags.includes("no_auth");
}

function* argumentsOf(request: Request): Iterable<string> {
  for (let index = 1; index < request.count; index++) {
    // The error shows only the first characters, so do not decode a long argument whole.
    yield request.text(index, 128);
  }
}
