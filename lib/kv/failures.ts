/**
 * What a client is told when something failed.
 *
 * @module
 */

import { OutOfMemoryError, StorageUnavailableError } from "../storage/store.ts";
import { OUT_OF_MEMORY } from "./commands/errors.ts";
import { CommandError } from "./resp/reply.ts";

/**
 * The reply for an error that is the client's to know.
 *
 * @throws Anything else, which is a mistake of ours.
 */
export function asReply(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  if (error instanceof OutOfMemoryError) return OUT_OF_MEMORY;
  if (error instanceof StorageUnavailableError) return new CommandError(`ERR ${error.message}`);
  throw error;
}
