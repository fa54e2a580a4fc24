/**
 * Requests with so many keys that one transaction would hold the thread too long.
 *
 * @module
 */

import type { MaybePromise, SpaceTransaction, Store } from "../../storage/store.ts";
import type { Value } from "../../storage/value.ts";
import { Turn } from "../../turn.ts";
import type { Action, ManyKeys } from "../commands/command.ts";
import type { CommandContext } from "../commands/context.ts";
import { ItemEncoder } from "../resp/item_encoder.ts";
import type { Reply } from "../resp/reply.ts";
import type { Request } from "../resp/request.ts";
import { runWorkOnSpaces } from "./work_on_spaces.ts";

/** A request with more arguments than this, including the command's name, is long. */
export const MAX_SHORT_ARGUMENTS = 1024;

/** A request of more bytes than this is long if it can have many keys. */
const MAX_SHORT_BYTES = 512 * 1024;

/** A request that has no more arguments than this has one key. */
const MIN_ARGUMENTS = 4;

/** How to run a long request; `undefined` if this one is short or runs as usual. */
export function manyKeysOf(action: Action, request: Request, store: Store): ManyKeys | undefined {
  if (request.count < MIN_ARGUMENTS || action.kind !== "keys") return undefined;
  const { many } = action;
  if (many === undefined) return undefined;
  if (request.count <= MAX_SHORT_ARGUMENTS && request.span <= MAX_SHORT_BYTES) return undefined;
  // Where a transaction over whole spaces asks a server for each key, one over keys is better.
  return many?.how === "whole" && store.bytes === undefined ? undefined : many;
}

/** The parts of a long request, each of them short. */
function* partsOf(request: Request): Iterable<Request> {
  for (let first = 1; first < request.count; first += MAX_SHORT_ARGUMENTS) {
    yield request.part(first, Math.min(first + MAX_SHORT_ARGUMENTS, request.count));
  }
}

/** A long request, and how to run it. */
export interface LongRequest {
  many: ManyKeys;
  request: Request;
  context: CommandContext;
  readOnly: boolean;
  /** The version of the Redis protocol. */
  protocol: 2 | 3;
}

/** Runs a long request. Nothing else of its client may run meanwhile. */
export async function runManyKeys(
  store: Store,
  action: Action & { kind: "keys" },
  { many, request, context, readOnly, protocol }: LongRequest,
): Promise<Reply> {
  if (many.how === "whole") return await store.transactSpaces(many.prepare(request, context));
  const turn = new Turn();
  const counts: MaybePromise<Reply>[] = [];
  const items = new ItemEncoder(protocol);
  for (const part of partsOf(request)) {
    const work = action.prepare(part, context);
    const options = readOnly ? { readOnly } : work;
    const reply = store.transact(work.places, (tx) => work.run(tx), options);
    if (many.how === "items") {
      for (const item of await reply as (Value | null)[]) items.add(item);
    } else {
      // All of them are awaited below; until then, a rejection must not count as unhandled.
      if (reply instanceof Promise) reply.catch(() => {});
      counts.push(reply);
    }
    if (turn.over) await turn.next();
  }
  return many.how === "items" ? items.end() : sumOf(await Promise.all(counts));
}

function sumOf(counts: readonly Reply[]): number {
  return (counts as number[]).reduce((sum, count) => sum + count, 0);
}

/** Returns what runs a long request as part of a transaction over whole spaces. */
export function manyKeysOnSpaces(
  action: Action & { kind: "keys" },
  { many, request, context }: { many: ManyKeys; request: Request; context: CommandContext },
): (transaction: SpaceTransaction) => Promise<Reply> {
  if (many.how === "whole") return many.prepare(request, context);
  return async (tx) => {
    const turn = new Turn();
    const replies: Reply[] = [];
    for (const part of partsOf(request)) {
      replies.push(await runWorkOnSpaces(action.prepare(part, context), tx));
      if (turn.over) await turn.next();
    }
    return many.how === "items" ? (replies as Reply[][]).flat() : sumOf(replies);
  };
}
