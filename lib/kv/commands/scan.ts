/**
 * Commands that iterate over all keys.
 *
 * @module
 */

import type { Entry, Key } from "../../storage/store.ts";
import { Turn } from "../../turn.ts";
import { Glob } from "../../glob.ts";
import { ItemEncoder } from "../resp/item_encoder.ts";
import type { Reply } from "../resp/reply.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { checkOptionCount, integer } from "./arguments.ts";
import type { Command, PageSource } from "./command.ts";
import type { CommandContext } from "./context.ts";
import { INVALID_CURSOR, SYNTAX_ERROR } from "./errors.ts";

const group = "generic";

/** The number of keys read from the store at a time. */
const PAGE_KEYS = 1000;

/** The longest pattern. */
const MAX_PATTERN_BYTES = 64 * 1024;

/** Up to this number, keys are kept as strings. */
const MAX_SHORT_KEYS = 1024;

/** The keys examined between two readings of the clock. */
const KEYS_PER_CLOCK_READ = 32;

/** The number of keys SCAN examines if COUNT is not given. */
const DEFAULT_COUNT = 10;

/** The largest effective COUNT of SCAN. */
const MAX_COUNT = 100_000;

/** The longest reply of KEYS, and the longest page of SCAN, in bytes of keys. */
const MAX_REPLY_BYTES = 64 * 1024 * 1024;

const PATTERN_TOO_LONG = new ErrorReply(
  `ERR the pattern is too long (limit ${MAX_PATTERN_BYTES} bytes)`,
);

const TOO_MANY_KEYS = new ErrorReply(
  "ERR the reply to KEYS would be too long, use SCAN instead",
);

/** The keys that a command has found so far. */
class Found {
  /** The length of all keys. */
  bytes = 0;
  #keys: Key[] = [];
  /** Takes the keys once there are many. */
  #encoder: ItemEncoder | undefined;
  readonly #matches: (key: Key) => boolean;
  readonly #turn = new Turn();

  constructor(matches: (key: Key) => boolean) {
    this.#matches = matches;
  }

  /** Adds those keys of a page that match. */
  async add(page: readonly [Key, Entry][]): Promise<void> {
    let left = KEYS_PER_CLOCK_READ;
    for (const [key] of page) {
      if (this.#matches(key)) {
        this.bytes += key.length;
        if (this.#encoder !== undefined) this.#encoder.add(key);
        else if (this.#keys.push(key) === MAX_SHORT_KEYS) this.#encode();
      }
      if (--left > 0) continue;
      left = KEYS_PER_CLOCK_READ;
      if (this.#turn.over) await this.#turn.next();
    }
  }

  #encode(): void {
    // Keys look the same in all versions of the protocol.
    this.#encoder = new ItemEncoder(2);
    for (const key of this.#keys) this.#encoder.add(key);
    this.#keys = [];
  }

  /** The keys as a reply. */
  reply(): Reply {
    return this.#encoder?.end() ?? this.#keys;
  }
}

function keys(request: Request, { db }: CommandContext) {
  const glob = globAt(request, 1);
  return async (source: PageSource): Promise<Reply> => {
    const found = new Found((key) => glob.matches(key));
    let after: Key | undefined;
    for (;;) {
      const range = { prefix: glob.prefix, limit: PAGE_KEYS, keysOnly: true };
      const page = await source.scan(db, after === undefined ? range : { ...range, after });
      await found.add(page);
      if (found.bytes > MAX_REPLY_BYTES) return TOO_MANY_KEYS;
      if (page.length < PAGE_KEYS) return found.reply();
      after = page.at(-1)![0];
    }
  };
}

/**
 * A pattern.
 *
 * @throws {ErrorReply} If it is too long.
 */
function globAt(request: Request, index: number): Glob {
  if (request.end(index) - request.start(index) > MAX_PATTERN_BYTES) throw PATTERN_TOO_LONG;
  return new Glob(request.text(index));
}

/** The options of SCAN. */
interface ScanOptions {
  glob?: Glob;
  count: number;
  /** Whether TYPE allows strings, the only type there is. */
  strings: boolean;
}

function scanOptions(request: Request): ScanOptions {
  checkOptionCount(request);
  const options: ScanOptions = { count: DEFAULT_COUNT, strings: true };
  for (let at = 2; at < request.count; at += 2) {
    if (at + 1 === request.count) throw SYNTAX_ERROR;
    const option = request.option(at);
    if (option === "MATCH") options.glob = globAt(request, at + 1);
    else if (option === "TYPE") options.strings = request.option(at + 1) === "STRING";
    else if (option === "COUNT") {
      const count = integer(request, at + 1);
      if (count < 1) throw SYNTAX_ERROR;
      options.count = count > MAX_COUNT ? MAX_COUNT : Number(count);
    } else throw SYNTAX_ERROR;
  }
  return options;
}

function scan(request: Request, { db, cursors }: CommandContext) {
  const text = request.text(1);
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n) throw INVALID_CURSOR;
  const { glob, count, strings } = scanOptions(request);
  return async (source: PageSource): Promise<Reply> => {
    const cursor = Number(text);
    let after = cursor === 0 ? undefined : cursors.find(cursor);
    if (cursor !== 0 && after === undefined) return INVALID_CURSOR;
    const prefix = glob?.prefix ?? "";
    const matches = (key: Key) => strings && (glob === undefined || glob.matches(key));
    const found = new Found(matches);
    let seen = 0;
    while (seen < count && found.bytes < MAX_REPLY_BYTES) {
      const limit = Math.min(count - seen, PAGE_KEYS);
      const range = { prefix, limit, keysOnly: true };
      const page = await source.scan(db, after === undefined ? range : { ...range, after });
      await found.add(page);
      if (page.length < limit) return ["0", found.reply()];
      seen += page.length;
      after = page.at(-1)![0];
    }
    return [String(cursors.remember(after!, cursor)), found.reply()];
  };
}

/** KEYS and SCAN. */
export const SCAN_COMMANDS: readonly Command[] = [
  {
    name: "keys",
    arity: 2,
    flags: ["readonly"],
    group,
    summary: "Returns all keys that match a pattern.",
    since: "1.0.0",
    action: { kind: "pages", prepare: keys },
  },
  {
    name: "scan",
    arity: -2,
    flags: ["readonly"],
    group,
    summary: "Returns the next page of an iteration over all keys.",
    since: "2.8.0",
    action: { kind: "pages", prepare: scan },
  },
];
