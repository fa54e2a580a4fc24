/**
 * Work on long values, in steps between which other clients are served.
 *
 * A transaction's function must be synchronous, so such work reads the values in one transaction,
 * computes in steps without holding any lock, and writes the result in a second transaction, which
 * checks that the values are still the same. If they have changed, the work starts over.
 *
 * @module
 */

import type { Entry, MaybePromise, Place, Store, Transaction } from "../../storage/store.ts";
import type { KeyWork, LongWork } from "../commands/command.ts";
import { Turn } from "../../turn.ts";
import type { Reply } from "../resp/reply.ts";

/** After this many failed attempts the work runs in one go, and holds the thread meanwhile. */
const MAX_ATTEMPTS = 4;

/** What the first transaction found: the reply, or that the work is long. */
type Beginning =
  | { reply: Reply }
  | { long: LongWork; versions: (Entry["version"] | undefined)[] };

/**
 * Runs work on keys, in steps if its values are long.
 *
 * @param options See {@linkcode Store.transact}.
 */
export function runLongWork(
  store: Store,
  work: KeyWork,
  options: { blind?: boolean; readOnly?: boolean },
): MaybePromise<Reply> {
  const begin = (tx: Transaction): Beginning => {
    const long = work.inSteps?.(tx);
    if (long === undefined) return { reply: work.run(tx) };
    return { long, versions: versionsOf(work.places, tx) };
  };
  const beginning = store.transact(work.places, begin, options);
  if (!(beginning instanceof Promise) && "reply" in beginning) return beginning.reply;
  return proceed(beginning);

  async function proceed(first: MaybePromise<Beginning>): Promise<Reply> {
    let found = await first;
    for (let attempt = 1;; attempt++) {
      if ("reply" in found) return found.reply;
      const { long, versions } = found;
      const write = await long(new Turn());
      const outcome = await store.transact(work.places, (tx): { reply: Reply } | undefined => {
        const same = versionsOf(work.places, tx).every((version, at) => version === versions[at]);
        return same ? { reply: write(tx) } : undefined;
      }, options);
      if (outcome !== undefined) return outcome.reply;
      if (attempt === MAX_ATTEMPTS) break;
      found = await store.transact(work.places, begin, options);
    }
    return await store.transact(work.places, (tx) => work.run(tx), options);
  }
}

function versionsOf(places: readonly Place[], tx: Transaction) {
  return places.map(({ space, key }) => tx.get(space, key)?.version);
}
