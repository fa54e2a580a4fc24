/**
 * The work of a command inside a transaction over whole spaces.
 *
 * @module
 */

import type { Entry, SpaceTransaction, Transaction } from "../../storage/store.ts";
import { Turn } from "../../turn.ts";
import { label } from "../changes/change.ts";
import type { KeyWork } from "../commands/command.ts";
import { UndeclaredKeyError, WholeDatabaseError } from "../commands/discovered_needs.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { TransactionOverlay } from "./transaction_overlay.ts";

/** How many entries to ask the store for at once. */
const READ_PLACES = 100;

/**
 * Runs one command. An error of the command is its reply, and the other commands still run. An
 * error of the store may have left the command half done, so it rolls the transaction back.
 */
export function runWork(work: KeyWork, tx: Transaction): Reply {
  try {
    return work.run(tx);
  } catch (error) {
    if (error instanceof ErrorReply) return error;
    throw error;
  }
}

/** Runs one command as part of a transaction over whole spaces. */
export function runWorkOnSpaces(work: KeyWork, tx: SpaceTransaction): Promise<Reply> {
  return tx.run === undefined || work.grows
    ? runBesideSpaces(work, tx)
    : runDirectly(work, tx.run.bind(tx));
}

async function runDirectly(
  work: KeyWork,
  run: NonNullable<SpaceTransaction["run"]>,
): Promise<Reply> {
  const long = work.inSteps && await run((tx) => work.inSteps!(tx));
  if (long === undefined) return await run((tx) => runWork(work, tx));
  const write = await long(new Turn());
  return await run(write);
}

/** Reads the entries that the work may need, runs it on them, and applies its changes. */
async function runBesideSpaces(work: KeyWork, tx: SpaceTransaction): Promise<Reply> {
  work.restart?.();
  const { overlay, reply } = await runOnOverlay(work, tx);
  for (const { space, key, value, expiresAtMs, command } of overlay.changes) {
    if (command !== undefined) label(tx, command);
    if (value === undefined) await tx.delete(space, key);
    else await tx.put(space, key, value, expiresAtMs);
  }
  return reply;
}

async function runOnOverlay(
  work: KeyWork,
  tx: SpaceTransaction,
): Promise<{ overlay: TransactionOverlay; reply: Reply }> {
  const entries: (Entry | undefined)[] = [];
  for (;;) {
    const { places } = work;
    // A run that fails for want of places adds them behind the others. Those that are there already
    // are not read again: nobody else can change them.
    while (entries.length < places.length) {
      const next = places.slice(entries.length, entries.length + READ_PLACES);
      entries.push(...await Promise.all(next.map(({ space, key }) => tx.get(space, key))));
    }
    const overlay = new TransactionOverlay(tx.nowMs);
    for (const [at, place] of places.entries()) overlay.add(place, entries[at]);
    try {
      const long = work.inSteps?.(overlay);
      if (long !== undefined) return { overlay, reply: (await long(new Turn()))(overlay) };
      return { overlay, reply: runWork(work, overlay) };
    } catch (error) {
      if (error instanceof WholeDatabaseError) await error.read(tx);
      else if (!(error instanceof UndeclaredKeyError)) throw error;
    }
  }
}
