/**
 * Pages of a space in key order.
 *
 * @module
 */

import type { Entry, Key, MaybePromise, ScanRange } from "../store.ts";
import { nextTurn } from "../../turn.ts";
import { KeyBytes } from "./key_bytes.ts";
import type { KeySpace } from "./key_space.ts";
import type { MemorySpace } from "./memory_space.ts";

/** A step of a scan passes this many expired keys: a millisecond or two. */
const MAX_EXPIRED_AT_ONCE = 2_000;

/** The first entries of a page, and where to find the others, if there may be more. */
export interface PagePart {
  page: [Key, Entry][];
  rest?: ScanRange;
}

/** Completes a page in the next turn. */
export async function completePage(
  part: MaybePromise<[Key, Entry][]>,
  readRest: () => MaybePromise<[Key, Entry][]>,
): Promise<[Key, Entry][]> {
  const page = await part;
  await nextTurn();
  const rest = await readRest();
  return page.length === 0 ? rest : [...page, ...rest];
}

/**
 * Reads a page of a sorted space, or the first part of it: a long run of expired keys is passed in
 * steps.
 */
export function readPage(
  keys: KeySpace,
  space: MemorySpace,
  { range, nowMs }: { range: ScanRange; nowMs: number },
): PagePart {
  const { prefix = "", after, limit, keysOnly } = range;
  const page: [Key, Entry][] = [];
  if (limit < 1) return { page };
  let expired = 0;
  const order = space.table.order!;
  const { records, expiry } = space.table;
  const from = new KeyBytes();
  const inclusive = after === undefined || after < prefix;
  from.set(inclusive ? prefix : after);
  const position = order.seek(from.bytes, 0, from.end, { after: !inclusive });
  for (let address = order.next(position); address !== 0; address = order.next(position)) {
    const key = keys.keyOf(space, address);
    if (!key.startsWith(prefix)) break;
    if (keys.expired(space, address, nowMs)) {
      if (++expired < MAX_EXPIRED_AT_ONCE) continue;
      return { page, rest: { ...range, after: key, limit: limit - page.length } };
    }
    const entry = keysOnly
      ? { value: "", version: records.version(address), expiresAtMs: expiry.expiryOf(address) }
      : keys.entry(space, address);
    page.push([key, entry]);
    if (page.length === limit) break;
  }
  return { page };
}

/** The version of the latest change that entries of a space depend on. */
export function seenIn(space: MemorySpace, page: readonly [Key, Entry][]): number {
  let seen = Math.max(space.deletedIn, space.movedIn);
  for (const [, { version }] of page) seen = Math.max(seen, Number(version));
  return seen;
}
