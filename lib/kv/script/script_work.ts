/**
 * A script as the work of a command: one transaction over its keys.
 *
 * @module
 */

import type { Place, Transaction } from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import type { KeyWork, ScriptEffects } from "../commands/command.ts";
import type { CommandContext, ScriptTime } from "../commands/context.ts";
import { refuseWithoutRight } from "../commands/denial.ts";
import { UndeclaredKeyError, WholeDatabaseError } from "../commands/discovered_needs.ts";
import type { CommandTable, TableEntry } from "../commands/table.ts";
import { EncodedItems } from "../resp/item_encoder.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import type { LuaMachine, Script, ScriptHost } from "./lua_machine.ts";
import { PlaceSet } from "./place_set.ts";
import { ScriptStoppedError } from "./stopped.ts";

/** How many keys that it did not declare a script may use. It runs once more for each command. */
const MAX_RERUNS = 100;

/** How many messages one script may publish. They are sent at its end, all at once. */
const MAX_EFFECTS = 1000;

/** How many keys of a reply of KEYS or SCAN a script is expected to use. */
const MAX_EXPECTED_KEYS = 10_000;

const UNKNOWN = new ErrorReply("ERR Unknown Redis command called from script");
const WRONG_ARITY = new ErrorReply("ERR Wrong number of args calling Redis command from script");
const NOT_ALLOWED = new ErrorReply("ERR This Redis command is not allowed from script");
const READ_ONLY = new ErrorReply("ERR Write commands are not allowed from read-only scripts.");
const TOO_MANY_MESSAGES = new ErrorReply("ERR a script publishes too many messages");
/** Such work is done in steps for a client; within a script it would hold up all others. */
const TOO_LONG = new ErrorReply("ERR The values are too long for this command in a script");

/** A call of a script. */
export interface ScriptCall {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly Value[];
  /** Whether the script must not write. */
  readonly readOnly: boolean;
}

/** The parts of the server that scripts use. */
export interface ScriptServer {
  readonly machine: LuaMachine;
  readonly commands: CommandTable;
}

/** Runs a script on a transaction. */
export class ScriptWork implements KeyWork, ScriptHost, ScriptEffects {
  readonly #call: ScriptCall;
  readonly #server: ScriptServer;
  readonly #context: CommandContext;
  /** What to do once the changes are durable. */
  #effects: (() => void)[] = [];
  readonly grows = true;
  readonly #places = new PlaceSet();
  #seed: number | undefined;
  #db = 0;
  #transaction: Transaction | undefined;
  #reruns = 0;
  /** The replies of commands on whole databases, in the order in which the script asks. */
  #answers: Reply[] = [];
  #asked = 0;
  readonly #time: ScriptTime;
  /** The time that the first run saw. The others see the same, and take the same decisions. */
  #now: Reply | undefined;

  constructor(call: ScriptCall, server: ScriptServer, context: CommandContext) {
    this.#call = call;
    this.#server = server;
    this.#context = context;
    this.#time = context.scriptTime ?? { usedMs: 0 };
    for (const key of call.keys) this.#places.add({ space: context.db, key });
  }

  get places(): readonly Place[] {
    return [...this.#places.all];
  }

  run(transaction: Transaction): Reply {
    const { machine } = this.#server;
    const { script, keys, args } = this.#call;
    this.#transaction = transaction;
    this.#asked = 0;
    this.#effects = [];
    this.#db = this.#context.db;
    try {
      return machine.run(script, { keys, args, host: this, usedMs: this.#time.usedMs });
    } finally {
      this.#time.usedMs = machine.usedMs;
      this.#transaction = undefined;
    }
  }

  restart(): void {
    this.#answers = [];
  }

  committed(): void {
    for (const effect of this.#effects) effect();
  }

  afterCommit(effect: () => void): void {
    if (this.#effects.length >= MAX_EFFECTS) throw TOO_MANY_MESSAGES;
    this.#effects.push(effect);
  }

  /** What its commands know besides their arguments. */
  get context(): CommandContext {
    const { maxValueBytes, cursors, publisher, login } = this.#context;
    return { db: this.#db, maxValueBytes, cursors, publisher, login };
  }

  /** Runs a command of the script. */
  call(request: Request): Reply {
    const entry = this.#find(request);
    if (entry instanceof ErrorReply) return entry;
    const { action, flags } = entry.command;
    if (this.#call.readOnly && flags.includes("write")) return READ_ONLY;
    try {
      if (action.kind === "keys") {
        const work = action.prepare(request, this.context);
        this.#require(work.places);
        if (work.inSteps?.(this.#transaction!) !== undefined) return TOO_LONG;
        if (entry.fullName === "time") return this.#now ??= work.run(this.#transaction!);
        return work.run(this.#transaction!);
      }
      if (action.kind === "spaces" || action.kind === "pages") {
        return flags.includes("readonly") ? this.#askDatabase(entry, request) : NOT_ALLOWED;
      }
      if (action.kind !== "session" || action.inScript === undefined) return NOT_ALLOWED;
      if (action.selects !== undefined) this.#db = action.selects(request);
      return action.inScript(request, this);
    } catch (error) {
      if (error instanceof ErrorReply) return error;
      throw error;
    }
  }

  /** The same for each run, so that a run after the first takes the same decisions. */
  get seed(): number {
    return this.#seed ??= Math.floor(Math.random() * 2 ** 32) | 0;
  }

  allows(request: Request): boolean {
    return !(this.#find(request) instanceof ErrorReply);
  }

  #find(request: Request): TableEntry | ErrorReply {
    let entry = this.#server.commands.find(request);
    if (entry === undefined) return UNKNOWN;
    if (entry.subcommands.size > 0 && request.count > 1) {
      entry = entry.subcommands.get(request.option(1).toLowerCase());
      if (entry === undefined) return UNKNOWN;
    }
    const { arity, flags } = entry.command;
    if (arity > 0 ? request.count !== arity : request.count < -arity) return WRONG_ARITY;
    if (flags.includes("noscript")) return NOT_ALLOWED;
    const { login: holder } = this.#context;
    if (holder === undefined || holder.rights === null) return entry;
    return refuseWithoutRight(entry, request, { holder, script: true }) ?? entry;
  }

  /**
   * Makes sure that the transaction covers some places. If not, they are added, and the script has
   * to run again on a transaction that covers them.
   */
  #require(places: readonly Place[]): void {
    if (places.every((place) => this.#places.has(place))) return;
    for (const place of places) this.#places.add(place);
    this.#countRerun();
    throw new UndeclaredKeyError();
  }

  /**
   * The reply of a command that reads a whole database. A script is synchronous and such a command is
   * not, so the reply is fetched between two runs. It shows the database before the script.
   */
  #askDatabase({ fullName, command: { action } }: TableEntry, request: Request): Reply {
    if (this.#asked < this.#answers.length) return this.#answers[this.#asked++]!;
    this.#countRerun();
    const db = this.#db, copy = request.copy();
    throw new WholeDatabaseError(async (tx) => {
      if (action.kind !== "spaces" && action.kind !== "pages") return;
      const reply = await action.prepare(copy, { ...this.context, db })(tx);
      this.#answers.push(reply);
      // It is likely to use these keys, and each would need another run.
      for (const key of keysIn(fullName, reply)) this.#places.add({ space: db, key });
    });
  }

  #countRerun(): void {
    if (++this.#reruns <= MAX_RERUNS) return;
    throw new ScriptStoppedError(
      `it would have to run more than ${MAX_RERUNS} times to find the keys that it uses`,
    );
  }
}

/** The first keys in the reply of a command that returns keys. */
function keysIn(command: string, reply: Reply): string[] {
  const found = command === "scan" && Array.isArray(reply) ? reply[1] : reply;
  const keys = found instanceof EncodedItems
    ? [...found.decoded()]
    : Array.isArray(found)
    ? found
    : [found];
  return keys.slice(0, MAX_EXPECTED_KEYS).filter((key) => typeof key === "string");
}
