/**
 * The session of one Redis client: which command a request names, and running it.
 *
 * @module
 */

import type { ClientDescription } from "../../net/connection.ts";
import type { Login } from "../../net/login.ts";
import type { ByteStore } from "../../storage/byte_store.ts";
import type { MaybePromise } from "../../storage/store.ts";
import type {
  ChannelPublisher,
  ClientPeer,
  ClientState,
  ReplyMode,
  ServerState,
} from "../commands/context.ts";
import type { Command } from "../commands/command.ts";
import { refuseWithoutRight } from "../commands/denial.ts";
import type { CursorTable } from "../commands/cursors.ts";
import {
  asReply,
  LOADING,
  NOT_AUTHENTICATED,
  notForSubscribers,
  TOO_MANY_ARGUMENTS,
  unknownCommand,
  unknownSubcommand,
  wrongArity,
} from "../commands/errors.ts";
import type { CommandTable, TableEntry } from "../commands/table.ts";
import { summarize } from "../request_summary.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { runLongWork } from "./long_work.ts";
import type { ReplyWriter } from "../resp/writer.ts";
import { manyKeysOf, MAX_SHORT_ARGUMENTS, runManyKeys } from "./many_keys.ts";
import { transactWork } from "./transact.ts";
import { ClientTransaction } from "./transaction.ts";

/** What sessions need of the server: commands that can be run, not only described. */
export interface SessionServer extends ServerState {
  readonly commands: CommandTable;
}

/** How much of a command the slow log keeps, as in Redis. */
const SLOW_LOG_LIMITS = { maxArguments: 32, maxChars: 128 };

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
  refusal: ErrorReply | undefined = undefined;
  noEvict = false;
  noTouch = false;
  #last: TableEntry | undefined;
  #bytes: ByteStore | undefined;

  constructor(server: SessionServer, peer: ClientPeer, login?: Login) {
    this.login = login;
    this.authenticated = !(login?.pending ?? false);
    this.server = server;
    this.peer = peer;
    this.transaction = new ClientTransaction(server.limits);
  }

  /** Describes the client, for lists of connections. */
  describe(): ClientDescription {
    const { name, libName, peer: { channels, monitoring } } = this;
    const subscribed = monitoring ? "watches commands" : "waits for messages";
    const state = monitoring || channels.count > 0 ? subscribed : undefined;
    return { protocol: "Redis", name: name || libName, state };
  }

  get lastCommand(): string {
    return this.#last?.fullName ?? "NULL";
  }

  get cursors(): CursorTable {
    return this.server.cursors;
  }

  get publisher(): ChannelPublisher {
    return this.peer.channels;
  }

  get maxValueBytes(): number {
    return this.server.limits.maxValueBytes;
  }

  /** The command that a request names, or the error to reply with. */
  resolve(request: Request): TableEntry | ErrorReply {
    let entry = this.#lookUp(request);
    if (!(entry instanceof ErrorReply)) entry = this.#refusal(entry, request) ?? entry;
    if (entry instanceof ErrorReply) {
      this.transaction.spoil();
      this.server.metrics.rejected++;
    } else {
      this.#last = entry;
    }
    return entry;
  }

  /** Why a command must not run at this time, if so. */
  #refusal(entry: TableEntry, request: Request): ErrorReply | undefined {
    if (!this.authenticated && !needsNoLogin(entry)) return NOT_AUTHENTICATED;
    const { login } = this;
    if (login !== undefined && login.rights !== null) {
      const refusal = refuseWithoutRight(entry, request, { holder: login });
      if (refusal !== undefined) return refusal;
    }
    if (this.server.loading && !runsWhileLoading(entry)) return LOADING;
    if (this.protocol === 2 && this.peer.channels.count > 0 && !isForSubscribers(entry)) {
      return notForSubscribers(entry.fullName);
    }
    if (this.refusal === undefined || needsNoLogin(entry)) return undefined;
    return entry.fullName === "client|tracking" ? undefined : this.refusal;
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
    // No client needs so many, and each may cost as much as a command.
    const isSession = entry.command.action.kind === "session";
    if (isSession && request.count > MAX_SHORT_ARGUMENTS) return TOO_MANY_ARGUMENTS;
    return entry;
  }

  /** Whether a command must run alone: after all earlier replies, and before any later command. */
  isAlone({ command }: TableEntry, request: Request): boolean {
    const { action } = command;
    if (this.transaction.open) {
      return action.kind === "control" &&
        (action.alone === true || this.transaction.alone);
    }
    return action.kind === "spaces" || action.kind === "pages" || action.alone === true ||
      manyKeysOf(action, request, this.server.store) !== undefined;
  }

  /**
   * Whether the client may get a message that a command publishes. As in Redis, the replies to the
   * commands before it come first.
   */
  mayHearItself({ command: { name, group } }: TableEntry): boolean {
    return this.peer.channels.count > 0 &&
      (group === "pubsub" || group === "scripting" || name === "exec");
  }

  /**
   * Runs a command on ranges of bytes, if it has such a form and this is the moment for it. The
   * reply is written at once, even if `bytes.seen` tells that it depends on changes that are not
   * durable yet.
   *
   * @returns Whether it was run. If not, use {@linkcode Session.run}.
   */
  runBytes(entry: TableEntry, request: Request, writer: ReplyWriter): boolean {
    // A client may have connected before the store had loaded.
    const form = entry.bytes, bytes = this.#bytes ??= this.server.store.bytes;
    if (
      form === undefined || bytes === undefined || !bytes.ready || this.transaction.open ||
      this.replyMode !== "on" || request.count > MAX_SHORT_ARGUMENTS
    ) return false;
    bytes.seen = 0;
    const start = writer.position;
    try {
      if (!form(request, this, bytes, writer)) return false;
    } catch (error) {
      writer.cut(start);
      writer.write(asReply(error));
    }
    this.server.metrics.calls[entry.index]!++;
    return true;
  }

  /** Runs a command, or queues it inside MULTI; monitors and the slow log learn of it. */
  run(entry: TableEntry, request: Request): MaybePromise<Reply> {
    const { watch } = this.server;
    if (watch.active) this.#show(entry, request);
    if (watch.slowMs === Infinity || needsNoLogin(entry)) return this.#run(entry, request);
    const startMs = performance.now();
    const reply = this.#run(entry, request);
    // In memory, a command on keys that waits only waits for the disk, which does not count in Redis
    // either, unless it runs in turns. In a database it runs meanwhile.
    const isOnKeys = entry.command.action.kind === "keys";
    const inMemory = this.server.store.bytes !== undefined;
    if (!(reply instanceof Promise) || (isOnKeys && inMemory && !this.isAlone(entry, request))) {
      const durationMs = performance.now() - startMs;
      if (durationMs >= watch.slowMs) this.#noteSlow(entry, durationMs, wordsOf(request));
      return reply;
    }
    // The request is not valid any more when the reply comes.
    const words = wordsOf(request);
    return reply.finally(() => {
      const durationMs = performance.now() - startMs;
      if (durationMs >= watch.slowMs) this.#noteSlow(entry, durationMs, words);
    });
  }

  #noteSlow(entry: TableEntry, durationMs: number, words: readonly string[]): void {
    const { name, peer: { id, remote }, server: { watch: { slow, slowLog } } } = this;
    const durationUs = Math.round(1000 * durationMs);
    if (slowLog.slowerThanUs >= 0 && durationUs >= slowLog.slowerThanUs) {
      slowLog.add({ atMs: Date.now(), durationUs, words, remote, name });
    }
    const { fullName: command, command: { keys } } = entry;
    const key = keys === undefined ? undefined : words[keys.first];
    slow.note({ command, key, durationMs, client: id, address: remote });
  }

  /** Shows a command to the monitors, unless it may contain secrets. */
  #show(entry: TableEntry, request: Request): void {
    const { monitors } = this.server.watch;
    if (monitors.size === 0) return;
    const { db, peer: { id, remote } } = this, client = { id, db, remote };
    const { kind } = entry.command.action;
    // What is queued is shown when EXEC runs it.
    if (this.transaction.open && kind !== "control") return;
    if (entry.command.name === "exec") {
      for (const queued of this.transaction.queued) {
        if (isShown(queued.command)) monitors.show(queued.request, client);
      }
    }
    if (isShown(entry.command)) monitors.show(request, client);
  }

  /** Whether a command has to wait for the end of a pause. */
  isPaused({ command, fullName }: TableEntry): boolean {
    const { mode } = this.server.watch.pause;
    if (mode === undefined || fullName === "client|unpause") return false;
    return mode === "all" || command.flags.includes("write") || command.name === "exec";
  }

  #run(entry: TableEntry, request: Request): MaybePromise<Reply> {
    const { action } = entry.command;
    if (this.transaction.open && action.kind !== "control") {
      return this.transaction.add(entry, request);
    }
    const { store, metrics } = this.server;
    metrics.calls[entry.index]!++;
    try {
      switch (action.kind) {
        case "keys": {
          const many = manyKeysOf(action, request, store);
          if (many !== undefined) {
            const { readOnly } = entry, { protocol } = this;
            return runManyKeys(store, action, {
              many,
              request,
              context: this,
              readOnly,
              protocol,
            });
          }
          const direct = action.direct?.(request, this, store);
          if (direct !== undefined) return direct;
          const work = action.prepare(request, this);
          const options = entry.readOnly ? entry : work;
          if (work.inSteps !== undefined) return runLongWork(store, work, options);
          if (work.grows) return transactWork(store, work, entry);
          return store.transact(work.places, (tx) => work.run(tx), options);
        }
        case "spaces":
          return store.transactSpaces(action.prepare(request, this), entry);
        case "pages":
          return action.prepare(request, this)(store);
        default:
          return action.run(request, this);
      }
    } catch (error) {
      return asReply(error);
    }
  }
}

/** Whether monitors may see a command: as in Redis, not if it is about administration or a login. */
function isShown({ flags }: Command): boolean {
  return !flags.includes("admin") && !flags.includes("no_auth");
}

/** Whether clients may run a command before they have shown a token. */
function needsNoLogin({ command }: TableEntry): boolean {
  return command.flags.includes("no_auth");
}

/** Whether a client of RESP2 may send a command while it is subscribed to anything. */
function isForSubscribers({ command: { name, group } }: TableEntry): boolean {
  return name === "ping" || name === "quit" || name === "reset" ||
    (group === "pubsub" && name.endsWith("subscribe"));
}

/** Whether clients may run a command before the store has loaded. */
function runsWhileLoading({ command }: TableEntry): boolean {
  return command.flags.includes("loading");
}

function* argumentsOf(request: Request): Iterable<string> {
  for (let index = 1; index < request.count; index++) {
    // The error shows only the first characters, so do not decode a long argument whole.
    yield request.text(index, 128);
  }
}

/** A request as the slow log keeps it. */
function wordsOf(request: Request): readonly string[] {
  return summarize(request, SLOW_LOG_LIMITS);
}
