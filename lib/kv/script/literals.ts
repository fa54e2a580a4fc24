/**
 * Replies and arguments as source text of Lua, the only way into the interpreter for tables.
 *
 * @module
 */

import { EncodedItems } from "../resp/item_encoder.ts";
import {
  ErrorReply,
  Push,
  Pushes,
  type Reply,
  ReplyMap,
  ReplySet,
  SimpleString,
  Verbatim,
} from "../resp/reply.ts";
import { type Value, valueText } from "../../storage/value.ts";

/** An expression, or several with commas between them. */
export interface Literal {
  readonly text: string;
  /** Strings that the text refers to, as the globals `s0`, `s1` and so on. */
  readonly attached: readonly Value[];
}

/** Strings of at most this length are written into the text, unless they contain NUL. */
const MAX_WRITTEN_CHARS = 64;

/** Two lists of strings. */
export function listsLiteral(first: readonly Value[], second: readonly Value[]): Literal {
  const writer = new LiteralWriter(2);
  return { text: `${writer.list(first)},${writer.list(second)}`, attached: writer.attached };
}

/**
 * A reply as scripts see it.
 *
 * @param protocol The version that the script has chosen: in version 2, null is false, and maps and
 * sets are lists.
 */
export function replyLiteral(reply: Reply, protocol: 2 | 3): Literal {
  const writer = new LiteralWriter(protocol);
  return { text: writer.reply(reply), attached: writer.attached };
}

class LiteralWriter {
  readonly attached: Value[] = [];
  readonly #protocol: 2 | 3;

  constructor(protocol: 2 | 3) {
    this.#protocol = protocol;
  }

  list(items: readonly Reply[]): string {
    return `{${items.map((item) => this.reply(item)).join(",")}}`;
  }

  reply(reply: Reply): string {
    const modern = this.#protocol === 3;
    if (typeof reply === "string" || reply instanceof Uint8Array) return this.#string(reply);
    if (typeof reply === "number" || typeof reply === "bigint" || typeof reply === "boolean") {
      return String(reply);
    }
    if (reply instanceof SimpleString) return `{ok=${this.#string(reply.text)}}`;
    if (reply instanceof ErrorReply) return `{err=${this.#string(reply.message)}}`;
    if (reply instanceof Verbatim) {
      const text = this.#string(reply.text);
      return modern ? `{verbatim_string={format="txt",string=${text}}}` : text;
    }
    if (reply instanceof ReplyMap) {
      if (!modern) return this.list(reply.pairs.flat());
      const pairs = reply.pairs.map(([key, value]) => `[${this.reply(key)}]=${this.reply(value)}`);
      return `{map={${pairs.join(",")}}}`;
    }
    if (reply instanceof ReplySet) {
      if (!modern) return this.list(reply.items);
      return `{set={${reply.items.map((item) => `[${this.reply(item)}]=true`).join(",")}}}`;
    }
    if (reply instanceof Push) return this.list(reply.items);
    if (reply instanceof Pushes) return this.list(reply.all);
    if (reply === null || typeof reply === "symbol") return modern ? "nil" : "false";
    return this.list(reply instanceof EncodedItems ? [...reply.decoded()] : reply);
  }

  #string(value: Value): string {
    if (value.length > MAX_WRITTEN_CHARS) return this.#attach(value);
    const text = valueText(value);
    if (text.includes("\0")) return this.#attach(value);
    return `"${text.replace(/[\r\n"\\]/g, escape)}"`;
  }

  #attach(value: Value): string {
    return `s${this.attached.push(value) - 1}`;
  }
}

function escape(char: string): string {
  // Three digits, because a digit may follow.
  return `\\${String(char.charCodeAt(0)).padStart(3, "0")}`;
}
